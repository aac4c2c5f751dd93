// How far two tables of counts over the same bins or categories lie apart.
//
// The bins are the definition: own scores use the frozen bins of a profile; other libraries' scores over
// bins of their own choice are in drift/compat. A side without rows is a caller's bug. Shares are p of the
// reference, q of the live rows.
#pragma once

#include <cstdint>
#include <span>

#include "drift/distances/samples.h"

namespace rekindle::drift {

using Counts = std::span<const int64_t>;

double jensen_shannon(Counts reference, Counts live);   // distance: root of the divergence, in nats
double hellinger(Counts reference, Counts live);        // in [0, 1]
double total_variation(Counts reference, Counts live);  // half the sum of |p - q|, in [0, 1]
double l_infinity(Counts reference, Counts live);       // greatest |p - q|
// KL(p to q) in nats; each count gets one half more, as in psi.h, so that empty bins are no infinity.
double kullback_leibler(Counts reference, Counts live);

// Independence of side and bin over the bins that hold rows, with Yates' correction where there are two:
// scipy's chi2_contingency. p is 1 where there is one bin.
TestResult chi_square(Counts reference, Counts live);
// The same table by log likelihood ratio, without a correction.
TestResult g_test(Counts reference, Counts live);

}  // namespace rekindle::drift
