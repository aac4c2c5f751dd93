// Dropout masks from counters: no random state to keep, restore or share.
#pragma once

#include <cstdint>

namespace rekindle::trainer {

// Which units are dropped follows from these alone: a rank needs no random state of its own, a resumed
// run repeats the same masks, and a row's mask does not depend on how many ranks share the batch.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t first_row = 0;  // position in the global batch of the first local row
};

// Fills mask[rows, width] with 0 (a `share` of them) or `kept`.
void fill_dropout_mask(const DropoutKey& key, uint64_t layer, double share, float kept, int64_t rows,
                       int64_t width, float* mask);

}  // namespace rekindle::trainer
