// The end of a process that could not sync what it had written. After a failed fsync the kernel may have
// dropped the pages and marked them clean: a second one would lie. What is on the disk is whole up to the
// last good sync, and the next start goes on from there.
#pragma once

#include <unistd.h>

#include "base/log.h"

namespace rekindle {

inline constexpr int kExitUnsynced = 74;  // EX_IOERR

[[noreturn]] inline void end_unsynced(std::string_view what, std::string_view why) {
  log_error("a write could not be made to last; ending, so that nothing is answered that is not stored",
            {{"what", what}, {"error", why}});
  ::_exit(kExitUnsynced);
}

}  // namespace rekindle
