// What a child process prints: the newest lines in memory, for messages, and a file that never grows past a
// bound. Safe from any thread.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "base/files.h"

namespace rekindle::models {

class BoundedLog {
 public:
  // At `bytes_max` the file becomes `file`.1 and a new one is begun: at most twice that lies on the disk.
  explicit BoundedLog(fs::path file, uint64_t bytes_max = 1 << 20);

  void add(std::string_view bytes);
  // The last lines, joined by " | ", at most `bytes_max` of them: short enough for a status message.
  std::string tail(size_t lines = 5, size_t bytes_max = 600) const;

 private:
  void write(std::string_view bytes);

  const fs::path path_;
  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  Fd file_;
  uint64_t written_ = 0;
  std::deque<std::string> lines_;  // whole ones, newest last
  std::string open_;               // the line that has not ended yet
};

}  // namespace rekindle::models
