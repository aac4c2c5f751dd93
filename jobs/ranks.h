// How many ranks a spec asks for, whichever way it says so.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

struct RankRange {
  uint32_t min = 1;
  uint32_t max = 1;
  bool elastic() const { return min < max; }
};

// `count: 4` is 4 to 4; `{min: 1, max: 4}` is elastic; nothing said is one rank.
inline RankRange rank_range(const v1::Ranks& ranks) {
  if (ranks.max() == 0 && ranks.min() == 0) {
    const uint32_t count = std::max<uint32_t>(1, ranks.count());
    return {count, count};
  }
  const uint32_t min = std::max<uint32_t>(1, ranks.min());
  return {min, std::max(min, ranks.max())};
}

}  // namespace rekindle::jobs
