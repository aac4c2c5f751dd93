// How far back the rows reach that a job's runs are trained on (train.rows).
#pragma once

#include <algorithm>

#include "proto/time.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

// Of rows this many half-lives old one in 1024 is left: the window ends there.
inline constexpr int kHalfLives = 10;

// From the as-of time back to the oldest row. `changed`: how long ago the world became another;
// Micros::max(): no change is known. `late`: how old the newest row is whose label is known.
inline Micros reach(const v1::Rows& rows, Micros changed, Micros late) {
  switch (rows.choice_case()) {
    case v1::Rows::kSinceDrift: {
      const Micros least = late + from_proto(rows.since_drift().at_least());
      return std::max(least, std::min(changed, from_proto(rows.since_drift().at_most())));
    }
    case v1::Rows::kDecay:
      return kHalfLives * from_proto(rows.decay().half_life());
    case v1::Rows::kReservoir:
      return from_proto(rows.reservoir().at_most());
    case v1::Rows::kBalanced:
      return from_proto(rows.balanced().last());
    default:
      return from_proto(rows.last());
  }
}

}  // namespace rekindle::jobs
