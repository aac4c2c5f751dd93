// How likely chance alone makes a Kolmogorov-Smirnov distance so large: p-values as scipy 1.17 gives them.
#pragma once

#include <cstdint>

namespace rekindle::drift {

// Two-sided p-value of the distance between the samples of n and m values (both > 0): exact by counting
// lattice paths while neither has more than 10,000, else the law of one sample of n m / (n + m) values.
double ks_p_value(double distance, int64_t n, int64_t m);

// P(D > distance) for one sample of n values against a continuous law, two-sided.
// Sources: Marsaglia, Tsang and Wang (matrix power); Pelz and Good (series); twice the one-sided law far
// out in the tail. Within 1e-6 of scipy's tail up to a million values; beyond, scipy's own approximation of
// the one-sided law strays by a few millionths from the sum of its terms, which is what this is.
double kolmogorov_tail(int64_t n, double distance);

}  // namespace rekindle::drift
