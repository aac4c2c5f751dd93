// A view of the file system of an attempt's own: in place of some folders of the host its processes see
// others, empty but for what they are to have of them. So /tmp and /dev/shm are private to the attempt, and
// the coordinator's folder cannot even be named.
//
// A mount namespace: as root by itself, else within a user namespace that maps this user alone. All memory is
// taken before the fork; enter() is for its child.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::launch {

enum class Namespaces { kNone, kMount, kUser };  // kUser: and a mount namespace in it

// Lexically; a folder lies in itself.
bool lies_in(const fs::path& path, const fs::path& folder);

// What this process may make; tried once, in a child.
Namespaces namespaces_here();

class View {
 public:
  explicit View(Namespaces how);

  // In its place: a folder of the disk, or memory (empty `by`). Parents before what lies in them.
  void replace(const fs::path& folder, const fs::path& by = {});
  // Seen as before, though it lies in a folder that is replaced. It must be there.
  void keep(const fs::path& path);
  // An empty one, in a folder that is replaced by memory; what lies around it must be kept for something.
  void make(const fs::path& folder) { made_.push_back(folder.string()); }
  // What root owns below /proc are settings of the host as a whole: as root they can be read alone. For views
  // without another fence around /proc: it costs a dozen mounts.
  void close_host_settings() { closes_host_settings_ = how_ == Namespaces::kMount; }

  // Async-signal-safe: an errno, or 0.
  int enter() const;

 private:
  struct Replaced {
    std::string folder, by;
  };
  struct Kept {
    std::string path;
    std::vector<std::string> folders;  // to be made for it, outermost first
    bool is_folder = true;
  };
  static constexpr size_t kKeptMost = 64;
  int enter_namespaces() const;
  int put_back(const Kept& kept, int from) const;
  int mount_host_settings() const;

  const Namespaces how_;
  bool closes_host_settings_ = false;
  std::string user_map_, group_map_;
  std::vector<Replaced> replaced_;
  std::vector<Kept> kept_;
  std::vector<std::string> made_;
};

}  // namespace rekindle::launch
