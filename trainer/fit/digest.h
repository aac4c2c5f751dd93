// Whether all ranks hold the same parameters, and who does not when they differ.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trainer/collectives/collectives.h"
#include "trainer/kinds/flat_parameters.h"

namespace rekindle::trainer {

struct Disagreement {
  std::vector<int> ranks;  // that hold other parameters; empty: all agree
  bool sure = false;       // most ranks agree with each other, so these are the ones in the wrong

  // "rank 1 holds other parameters than the other 2": nothing when all agree.
  std::string sentence(int world) const;
  // That rank + 1, when one alone is in the wrong; else 0.
  int culprit() const { return sure && ranks.size() == 1 ? ranks[0] + 1 : 0; }
};

// Whoever differs from what more than half of the ranks hold is in the wrong; without such a majority every
// rank is named.
Disagreement compare(std::span<const uint64_t> digests);

// Over all ranks, which call it together: they come to the same answer.
Disagreement compare_parameters(const FlatParameters& parameters, Collectives& collectives);

}  // namespace rekindle::trainer
