// Tests that may be looked at as often as one likes: a canary is, after every report. A bound holds over all
// looks together, not at each. Pure, and functions of counts and sums alone: how often was looked changes
// nothing.
#pragma once

#include <cstdint>

#include "rekindle/v1/drift.pb.h"

namespace rekindle::registry {

// Evidence that failures are more frequent than `share`: what a bet against that has made of 1 (e-value).
// While they are not, it ever passes 1 / alpha with a chance of at most alpha (Ville's inequality). The bet
// is spread over all greater shares (Jeffreys' prior, cut off at `share`), so it needs no guess how bad it
// may be.
double failure_evidence(uint64_t answered, uint64_t failed, double share);

// A mean gain and an interval that contains the true one at all looks together with chance 1 - alpha.
struct AlwaysValid {
  double gain = 0;
  double low = 0;
  double high = 0;
};
// Robbins' normal mixture (the mSPRT turned around: what it does not reject), on differences within slots,
// with the variance that the losses showed. Means of losses are nearly normal only after some rows: from then
// on it holds. An interval without end where there is no weight or no degree of freedom.
AlwaysValid always_valid(const v1::LossComparison& sums, double alpha);

}  // namespace rekindle::registry
