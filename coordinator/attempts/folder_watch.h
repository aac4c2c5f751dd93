// Tells at once that a file of one name has come into one of several folders (inotify), so that whoever waits
// for it need not look all the time.
//
// Only a hint: nothing is told of what other hosts write, nor when this host's watches are used up. Look now
// and then all the same. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"

namespace rekindle::coordinator {

class FolderWatch {
 public:
  explicit FolderWatch(std::string name);

  // To be polled for reading; -1: this host has no inotify.
  int fd() const { return fd_.get(); }
  void add(const fs::path& folder);     // one that is watched already, or cannot be, changes nothing
  void remove(const fs::path& folder);  // likewise
  // Folders into which it has come since the last call.
  std::vector<fs::path> changed();

 private:
  std::string name_;
  Fd fd_;
  std::map<int, fs::path> folders_;  // by the kernel's number
};

}  // namespace rekindle::coordinator
