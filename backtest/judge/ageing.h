// Whether the world moves, apart from whether more rows help. In a world that stands still a later fit may be
// better than the first, for it saw more rows; but then it is better by the same amount at all times. Where
// the difference between two fits, both of which stay as they are, changes with time, the world has changed.
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backtest/judge/losses.h"

namespace rekindle::backtest {

// Probability that the difference of mean losses between the two fits varies as much between slices as it
// does if it is the same in all: one-way analysis of variance over blocks of days, an eighth of a slice long.
// From where both are active; 1 with fewer than two slices of two blocks.
double same_difference(const Judged& judged, const FitLosses& first, const FitLosses& later,
                       std::span<const int64_t> slice_ends);

// Of the first fit against each later one, shared over all of them (Bonferroni).
double nothing_moves(const Judged& judged, std::span<const FitLosses> fits,
                     std::span<const int64_t> slice_ends);

}  // namespace rekindle::backtest
