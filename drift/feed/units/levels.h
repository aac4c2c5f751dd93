// Columns that move slowly, each slot near the one before: a temperature, a price.
//
// Days of such a column differ, so that what its values were says little about what they will be; how far it
// moves from one slot to the next says much. A change of unit is a move that the world never made, onto the
// conversion of where the column was, and from then on it moves as it did, converted. Pure.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "drift/feed/stretch.h"
#include "drift/feed/units/conversions.h"

namespace rekindle::drift {

// Where the column was in a slot: the median of the values sampled.
struct Level {
  size_t slot;  // its place
  double value;
};
std::vector<Level> levels_of(std::span<const SlotHealth> slots, size_t feature,
                             const std::vector<bool>& usable);

enum class Pace {
  kAnew,     // a slot says nothing of the next
  kSlow,     // it says more of it than all other slots do, and there are moves enough to know them
  kBetween,  // neither
};
Pace pace_of(std::span<const Level> levels);

// Whether what comes at this level is no move of the world, and would be one if it were converted back.
// Never without some days before it.
bool jumps_onto(std::span<const Level> levels, size_t at, const Conversion& conversion);

// The newest jump of a slow column onto a conversion, none of the small ones, from which it has not come
// back.
struct Jump {
  size_t at;  // the first level after it
  Conversion conversion;
  double gain;  // nats by which it and the moves since are likelier converted than as they are
};
std::optional<Jump> find_jump(std::span<const Level> levels);

// The slots that are converted, of a change since `from_us` that was known to last until `until_us`: all
// until the column jumps back. Nothing of a column that is not slow.
std::optional<std::vector<Part>> converted_levels(std::span<const SlotHealth> slots, size_t feature,
                                                  const std::vector<bool>& usable,
                                                  const Conversion& conversion, int64_t from_us,
                                                  int64_t until_us);

}  // namespace rekindle::drift
