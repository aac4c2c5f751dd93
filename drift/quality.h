// Is the feed broken? Checks of what a model is fed, apart from whether the world has moved.
//
// A broken feed (a column that went missing, changed its unit, froze, was recoded) must not start a
// retraining and must not be trained on; a season must not be taken for one. The rules and their
// reasons are in docs/drift.md. Pure: health per slot in, open breaches out.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "rekindle/v1/drift.pb.h"

namespace rekindle::drift {

// Slots that the checks look back on.
inline constexpr Micros kFeedMemory = std::chrono::hours(24 * 7);

// What a feature should be, by the job spec.
struct FeedColumn {
  std::string name;
  bool categorical = false;
};

// What the checks need of one feature's counts in one slot; the same whatever version counted them.
struct FeatureHealth {
  static constexpr uint64_t kNone = 0;  // no value
  static constexpr uint64_t kMany = 1;  // more than one, or one that has no name
  int64_t rows = 0;
  int64_t missing = 0;
  int64_t other = 0;  // categorical: values that the profile does not name
  int64_t far = 0;    // numeric: values beyond anything that a season explains
  double least = std::numeric_limits<double>::infinity();
  double greatest = -std::numeric_limits<double>::infinity();
  uint64_t only_text = kNone;  // categorical: hash of the one value that there was
};

struct SlotHealth {
  int64_t slot_us = 0;
  int64_t rows = 0;
  std::vector<FeatureHealth> features;  // in the order of the columns
};

// `profile` is that of the version that counted; without it a categorical feature is taken as varied.
SlotHealth health_of(const v1::SlotCounts& counts, const v1::Profile* profile,
                     std::span<const FeedColumn> columns);
void merge(SlotHealth& into, const SlotHealth& more);  // same slot

// The breaches that are open after the newest of `slots`: those of `open` that last (same from_us, later
// until_us) and new ones. One of `open` that does not come back has ended. `slots`: those with rows,
// oldest first, at most kFeedMemory. `open` holds breaches of this source alone.
std::vector<v1::Breach> check_feed(const v1::Profile& reference, std::span<const FeedColumn> columns,
                                   std::span<const SlotHealth> slots, Micros slot, std::string_view source,
                                   std::span<const v1::Breach> open);

}  // namespace rekindle::drift
