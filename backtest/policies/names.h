// Policies by the names that people write. Pure.
//
//   rekindle        the job's own: what its spec says, through the daemon's decisions, gate and rollout
//   never           the first version is kept
//   always          a fit at the end of each slice
//   every:D         a fit every so long, as in every:28d
//   cron[:N]        N evenly spaced fits; as many as rekindle made
//   adwin[:DELTA]   ADWIN on whether each answer was wrong (regression: its clipped error); 0.002
//   ddm, hddm-a     the same with these detectors
//   static:LOSS     when the mean loss of a window is above LOSS
//   dynamic[:SHARE] when it is above the mean of the 15 windows before by this share; 10%
//   regret[:LOSS]   a shadow is fitted at the end of each slice; when the version in service has lost that
//   much
//                   more than it, in mean losses of a slice added up, the shadow takes over; 0.01
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace rekindle::backtest {

enum class Kind { kOwn, kNever, kAlways, kEvery, kCron, kAdwin, kDdm, kHddmA, kStatic, kDynamic, kRegret };

struct Policy {
  Kind kind = Kind::kNever;
  std::string name;   // as it was written
  Micros every{0};    // kEvery
  uint64_t fits = 0;  // kCron; 0: as many as rekindle made
  double value = 0;   // delta, loss, share
};

// invalid_argument lists the names.
Result<Policy> parse_policy(const std::string& text);
// Each once, in the order given; none: rekindle, never, cron and always.
Result<std::vector<Policy>> parse_policies(const std::vector<std::string>& texts);

}  // namespace rekindle::backtest
