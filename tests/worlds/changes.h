// How a stream comes to change: river's mixing of two, and what changes of one thing alone.
#pragma once

#include <functional>

#include "tests/worlds/generators.h"

namespace rekindle::worlds {

// river's ConceptDriftStream: row i (from 1) is of `after` with probability 1 / (1 + exp(-4 (i - position) /
// width)). Width 1: abrupt; more: gradual.
Stream mixed(uint32_t seed, Stream before, Stream after, double position, double width);

// Keeps each row with the probability that `keep` says. Of the inputs alone: P(x) differs and P(y | x) does
// not (covariate drift); of the label alone: P(y) differs and P(x | y) does not (prior drift). `keep` is over
// 0 often enough.
Stream thinned(uint32_t seed, Stream stream, std::function<double(const Row&)> keep);

}  // namespace rekindle::worlds
