// One rank of a gang, from its attempt's folder to outcome.pb and an exit code.
#pragma once

#include <atomic>

#include "launch/attempt_folder.h"
#include "trainer/collectives/collectives.h"

namespace rekindle::trainer {

// Does what plan.pb says and returns the exit code (launch/attempt_folder.h; 1: cannot go on, another
// attempt may). Everything else that is to be known is in the folder's files and on stderr.
// `yield` becomes true when somebody asks the rank to leave.
int run_rank(const launch::AttemptFolder& folder, const v1::Plan& plan, Collectives& collectives,
             const std::atomic<bool>& yield);

}  // namespace rekindle::trainer
