// One rank of a gang, from its attempt's folder to outcome.pb and an exit code.
#pragma once

#include <atomic>

#include "launch/attempt_folder.h"
#include "trainer/collectives/collectives.h"

namespace rekindle::trainer {

// What is asked of the program: to be a rank, or one of the two parts of a command job's attempt that are not
// the user's script.
enum class Part {
  kRank,
  kRows,   // its rows, before the script runs
  kScore,  // its version, after all ranks' scripts have left with 0
};

// Does what plan.pb says and returns the exit code (launch/attempt_folder.h; 1: cannot go on, another
// attempt may). Everything else that is to be known is in the folder's files and on stderr.
// `yield` becomes true when somebody asks the rank to leave.
int run_rank(const launch::AttemptFolder& folder, const v1::Plan& plan, Collectives& collectives,
             const std::atomic<bool>& yield, Part part = Part::kRank);

}  // namespace rekindle::trainer
