// Chance from counters: no random state to keep, restore or share.
#pragma once

#include <cstdint>

namespace rekindle::trainer {

// What chance decides in a step (dropped units, augmentation) follows from these and a row's position alone:
// a rank needs no random state of its own, a resumed run repeats the same draws, and a row's draws do not
// depend on how many ranks or parts share the batch.
struct StepKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t first_row = 0;  // position in the global batch of the first local row

  bool operator==(const StepKey&) const = default;
};

// The layer that drops fields of the input; hidden layers count from 0.
inline constexpr uint64_t kInputLayer = ~uint64_t{0};

// Fills mask[rows, width] with 0 (a `share` of them) or `kept`.
void fill_dropout_mask(const StepKey& key, uint64_t layer, double share, float kept, int64_t rows,
                       int64_t width, float* mask);

}  // namespace rekindle::trainer
