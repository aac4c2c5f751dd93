// The binned distances of frouros 0.9.0 on one column of numbers.
//
// For comparison with what another tool reports. Values equal the library's (with numpy 2.1, the newest that
// it installs with). It knows no missing values: a side with NaN or infinities, or without a value, is
// refused.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace rekindle::drift::frouros {

inline constexpr int64_t kBins = 10;

using Values = std::span<const double>;

// Over equal bins of the range of both sides. A bin that is empty on one side adds seven to PSI for each
// percent of the other side's rows in it, for an empty share is the least positive double.
Result<double> psi(Values reference, Values live, int64_t bins = kBins);
Result<double> hellinger(Values reference, Values live, int64_t bins = kBins);
Result<double> bhattacharyya(Values reference, Values live,
                             int64_t bins = kBins);  // 1 - overlap, no logarithm

// Each side as a histogram of its own ("auto" bins), read off at `points` equal points over the range of
// both. Jensen-Shannon is the root of the divergence, in nats; Kullback-Leibler is that of live to the
// reference, infinite where live rows lie in a gap of the reference. Not a number where all values of both
// sides are one.
Result<double> jensen_shannon(Values reference, Values live, int64_t points = kBins);
Result<double> kullback_leibler(Values reference, Values live, int64_t points = kBins);

}  // namespace rekindle::drift::frouros
