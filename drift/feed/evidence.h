// How much must be seen of a fault before it is one. Reasons, and the natural extremes that the numbers were
// set against: docs/drift.md.
#pragma once

#include "drift/feed/stretch.h"

namespace rekindle::drift {

inline constexpr Micros kDay = std::chrono::hours(24);
inline constexpr int64_t kRowsMin = 200;
inline constexpr int kBadSlotsMin = 3;  // one bad hour is a glitch

// A share over the last day, in enough rows and in more than a glitch of slots.
inline bool enough_in_a_day(const Stretches& stretches, size_t from, const Stretches::Rule& rule) {
  const Part part = stretches.within(kDay, from, rule);
  return part.of >= kRowsMin && part.share() >= rule.threshold &&
         stretches.bad_slots(from, rule) >= kBadSlotsMin;
}

}  // namespace rekindle::drift
