// Rows that came before: a feed that is sent twice, or yesterday's file under new ids. Pure.
#pragma once

#include <span>
#include <vector>

#include "drift/feed/stretch.h"

namespace rekindle::drift {

// Of the sampled rows of each slot those that hold what another row of the slot, or of the two days before,
// held.
std::vector<Part> repeats_of(std::span<const SlotHealth> slots);

// After the checks of columns. `open` and `ended`: all breaches of the source.
void check_repeats(Stretches& stretches, std::span<const v1::Breach> open, std::span<const v1::Breach> ended);

}  // namespace rekindle::drift
