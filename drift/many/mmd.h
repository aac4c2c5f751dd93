// Maximum mean discrepancy: how far two sets of rows lie apart in all their columns together.
//
// Unbiased squared MMD with the kernel exp(-d2 / (2 s^2)): the mean kernel within each side, a row with
// itself left out, less twice the mean across. Around zero, either sign, when nothing has moved. Values equal
// frouros 0.9.0's at the same s. Columns should be on one scale; rows hold numbers alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "drift/many/rows.h"

namespace rekindle::drift {

// The kernel of all pairs is kept: 128 MB at this many rows of both sides. Draw a sample of more.
inline constexpr size_t kMmdRowsMax = 4000;

struct Mmd {
  double squared = 0;
  double bandwidth = 0;  // s
};

// s: root of half the median squared distance between two of all rows, 1 where that is 0. Refuses sides of
// one row or of differing width, values that are no numbers, too many rows.
Result<Mmd> mmd(const Rows& reference, const Rows& live);

struct MmdTest {
  Mmd found;
  double p = 1;
};

// p: share of `permutations` random halvings of all rows, and the one at hand, whose MMD is as large: never
// 0, and even between 1 / (permutations + 1) and 1 when nothing has moved. The same seed gives the same p.
Result<MmdTest> mmd_test(const Rows& reference, const Rows& live, int permutations, uint64_t seed);

}  // namespace rekindle::drift
