// What every program of an attempt may reach of this host, looked up once in a process: the system's folders
// and those that PATH names, devices, and of /etc what everybody may read.
//
// A process that forks gangs keeps those files of /etc and /dev open, has the kernel tell it when one of them
// is another, and begins the fence of the next attempt before anybody asks for it: of several hundred rules
// an attempt then adds some dozen. Knows nothing of attempts.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/files.h"
#include "runtime/landlock.h"

namespace rekindle::launch {

struct Grant {
  fs::path path;
  runtime::Landlock::May may;
};

class HostReach {
 public:
  // This host's, for this process and its forks.
  static HostReach& here();
  // In tests other folders than /etc and /dev.
  HostReach(fs::path settings, fs::path devices);

  // Looks anew, at a thousand files. What has not been looked for is looked for when it is asked for.
  void look();
  // What everybody may read: keys and hashes of passwords are not for runs, though root could.
  std::vector<Grant> settings();
  std::vector<Grant> devices();
  // One that lies in another of them is left out, unless it lies in what is hidden: by its name it is meant
  // all the same.
  std::vector<Grant> folders(const std::vector<fs::path>& hidden);

  // In a process that forks gangs. Begins the next one's fence, if none is begun or something has changed.
  void begin_fence();
  // Its descriptor; -1: none could be begun.
  int fence_fd() const;
  // After the fork, in the parent: that fence is the child's.
  void fence_given();
  // And in the child: closes the files that only the parent needs.
  void forked();
  // There, when it is asked for: what has changed since the fork is looked at anew, and so is everything once
  // the parent `renews`, which takes word of changes away from its children.
  void asked_for(const std::function<bool()>& renews);
  // There, once: the fence, with settings() and devices() allowed but for those that are `missing`. Nothing
  // where none was begun, or where something hidden lies among them.
  struct Begun {
    runtime::Landlock fence;
    std::vector<Grant> missing;
  };
  std::optional<Begun> take_fence(const std::vector<fs::path>& hidden);

 private:
  // Not for the fence that is begun: nobody tells when a link leads elsewhere, and there may be too many.
  struct Found {
    Grant grant;
    bool begun = false;
    Fd held;
    mode_t mode = 0;
  };
  struct Folder {
    Grant grant;
    fs::path real;
    bool covered = false;  // lies in another
  };
  void look_at_settings();
  void look_at_devices();
  void look_at_folders();
  void add(const fs::path& path, runtime::Landlock::May may, std::vector<Found>& to);
  void watch(const fs::path& folder);
  bool changed();

  const fs::path settings_folder_, devices_folder_;
  bool looked_ = false;
  bool holds_ = false;
  size_t held_ = 0;
  Fd changes_;  // inotify; not valid: nothing is told
  std::vector<Found> settings_, devices_;
  std::vector<Folder> folders_;
  std::optional<runtime::Landlock> fence_;
};

// Without links, as far as it is there.
fs::path real(const fs::path& path);
std::vector<fs::path> entries(const fs::path& folder);

}  // namespace rekindle::launch
