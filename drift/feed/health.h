// What the checks of a feed need of one time slot: of each feature how much of it was there and what it
// looked like, and of the rows what they held. The same whatever version counted them; nodes add up.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "drift/feed/least_hashes.h"
#include "rekindle/v1/drift.pb.h"

namespace rekindle::drift {

// What a feature should be, by the job spec.
struct FeedColumn {
  std::string name;
  bool categorical = false;
};

// What the checks need of one feature's counts in one slot.
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
  // Numeric: hashes of the sampled values.
  std::array<uint64_t, kSampleMax> sample = {};
  uint32_t sampled = 0;
  // Categorical, of slots with values that the profile does not name alone: those sampled, and all that it
  // names. By hash.
  std::vector<LeastHashes::Kept> strangers, named;
};

struct SlotHealth {
  int64_t slot_us = 0;
  int64_t rows = 0;
  std::vector<FeatureHealth> features;      // in the order of the columns
  std::vector<LeastHashes::Kept> contents;  // sampled, by hash
};

// `profile` is that of the version that counted; without it a categorical feature is taken as varied.
SlotHealth health_of(const v1::SlotCounts& counts, const v1::Profile* profile,
                     std::span<const FeedColumn> columns);
void merge(SlotHealth& into, const SlotHealth& more);  // same slot

}  // namespace rekindle::drift
