// What the command's exit code means; the table of docs/cli.md.
#pragma once

#include "base/result.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::cli {

enum Exit : int {
  kOk = 0,
  kFailed = 1,
  kRefused = 2,  // usage, or input that was refused
  kNotFound = 3,
  kConflict = 4,     // the state of things forbids it
  kUnreachable = 5,  // no coordinator answers
  kTimeout = 6,
  kForbidden = 7,
  // How a run ended, of `wait` and `run --wait`.
  kRejected = 10,
  kRunFailed = 11,
  kCancelled = 12,
  kHeld = 13,
  kAlarm = 14,      // of `watch --once`: drift
  kDetached = 130,  // Ctrl-C
};

int exit_code_of(const Status& status);
int exit_code_of(v1::RunState state);
bool is_terminal(v1::RunState state);

}  // namespace rekindle::cli
