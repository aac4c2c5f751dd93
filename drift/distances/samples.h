// How far two samples of numbers lie apart, and, where there is a law, how likely chance makes it so.
//
// Every sample is sorted, finite and not empty. Definitions and p-values are scipy 1.17's; none depends on
// a choice of bins. The order of the two samples matters to mann_whitney alone.
#pragma once

#include <span>

#include "base/result.h"

namespace rekindle::drift {

using Sorted = std::span<const double>;

struct TestResult {
  double statistic = 0;
  double p = 1;
};

// Greatest difference of the distribution functions, in [0, 1].
double ks_distance(Sorted a, Sorted b);
TestResult kolmogorov_smirnov(Sorted a, Sorted b);

// T of ranks; exact while neither sample has more than 20 values, else the limit law. Refuses samples of one.
Result<TestResult> cramer_von_mises(Sorted a, Sorted b);

// The normalised k-sample statistic with midranks; p is known between 0.001 and 0.25 alone and cut there.
// Refuses samples that hold one value between them.
Result<TestResult> anderson_darling(Sorted a, Sorted b);

// U of the first sample, two-sided; exact where a sample has at most 8 values and none is tied.
TestResult mann_whitney(Sorted a, Sorted b);

double wasserstein(Sorted a, Sorted b);      // in the unit of the values
double energy_distance(Sorted a, Sorted b);  // in the square root of the unit

}  // namespace rekindle::drift
