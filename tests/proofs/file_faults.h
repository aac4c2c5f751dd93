// The calls of this process that change files, counted, and the chosen one of them gone wrong.
//
// Linking file_faults.cc into a test replaces write, fsync, rename and their kin for the whole binary; they
// pass through until a child process arms them. Made for a forked child that does one thing and ends.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace rekindle::trainer {

struct FileFault {
  enum class Kind {
    kNone,
    kKill,  // dies before the call
    kTear,  // a write does half of its bytes, then the process dies; other calls: as kKill
    kFail,  // the call returns `error` and has no effect; the process goes on
  };
  Kind kind = Kind::kNone;
  uint64_t at = 0;  // which call, from 1
  int error = 0;

  // A death may take with it what was not fsynced, as a power cut does.
  bool lose_bytes = false;    // of files that were written after their last fsync
  bool lose_names = false;    // of files and folders made since their folder's last fsync
  bool undo_renames = false;  // since the last fsync of the folder
};

// Runs `body` in a child with this fault; its calls below `root` count. Returns how it ended: body's result,
// or 128 + signal. `calls` gets the number of calls it came to.
int run_with_fault(const FileFault& fault, const std::string& root, const std::function<int()>& body,
                   uint64_t* calls = nullptr);

}  // namespace rekindle::trainer
