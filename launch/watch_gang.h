// For ranks: ends the process when its gang supervisor is gone.
#pragma once

#include "launch/attempt_folder.h"

namespace rekindle::launch {

// Starts a thread that asks four times a second whether anybody holds attempt.lock; when nobody does, the
// supervisor is dead (even of SIGKILL) and this process leaves with SIGKILL on itself, so that no superseded
// rank computes on. Call once, early in main, before other threads matter. A folder whose lock nobody holds
// at the call is refused with failed_precondition: the rank was not started by a gang.
Status watch_gang(const AttemptFolder& folder);

}  // namespace rekindle::launch
