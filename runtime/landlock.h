// The kernel's own fence around a process and all that it starts: which files they can open, and whom they
// can signal. Works for every user, cannot be taken off again, and is inherited.
//
// What is not allowed here cannot be opened, made, removed or renamed; to look at a file's size and times and
// to change its mode it does not hinder. Knows nothing of attempts.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::runtime {

// Version of the kernel's interface; 0: this kernel has none, or it is switched off.
int landlock_abi();
// From here on renaming across folders can be allowed at all (Linux 5.19).
inline constexpr int kLandlockAbiMin = 2;

class Landlock {
 public:
  enum class May {
    kRead,   // open, list and execute
    kList,   // names of what is in it, and in what is in it
    kUse,    // devices: read and write what is there
    kWrite,  // all but devices
    kAdd,    // read, and make what is not there: nothing is changed, replaced or removed
    kSwap,   // write, without folders of one's own and without executing: where files are made to be moved
  };

  // `own_sockets`: those inside connect to abstract Unix sockets among themselves alone.
  static Result<Landlock> make(bool own_sockets);

  // A path that is not there is passed over. A last component that is a link is followed for kRead alone.
  Status allow(const fs::path& path, May may);
  // The same for the child of a fork: async-signal-safe, an errno or 0.
  int allow_raw(const char* path, May may) const;
  // What was opened with O_PATH, and its mode. An errno or 0.
  int allow_held(int fd, mode_t mode, May may) const;
  // Puts the calling thread inside; async-signal-safe, an errno or 0. Takes no_new_privs.
  int enter() const;
  int descriptor() const { return ruleset_.get(); }

 private:
  Landlock(Fd ruleset, uint64_t handled) : ruleset_(std::move(ruleset)), handled_(handled) {}
  Fd ruleset_;
  uint64_t handled_;
};

}  // namespace rekindle::runtime
