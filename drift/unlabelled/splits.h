// Draws of test rows that hold each label as often as all rows do: scikit-learn's StratifiedShuffleSplit over
// numpy's RandomState, so that what is decided on them is decided as there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rekindle::drift {

struct Split {
  std::vector<size_t> train, test;  // rows, in the order in which they were drawn
};

// `splits` draws; the test rows are a tenth, rounded up. Labels are 0 or 1, each at least twice; else none is
// made.
std::vector<Split> stratified_splits(std::span<const uint8_t> labels, int splits, uint32_t seed);

}  // namespace rekindle::drift
