// The distances of nannyml 0.13.1 on one column, over bins that the reference alone decides.
//
// For comparison with what another tool reports. Values equal the library's. Missing values (NaN) are left
// out on both sides; a live side that has nothing else gives NaN, as there: not judged. Infinities are
// refused in the reference and lie outside of every bin in live rows. A distance is an alert when it lies
// beyond limits that chunks of the reference set (chunks.h); chi-square alone alerts by its p-value, below
// 0.05. Ranges for limits_of are here.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "drift/compat/chunks.h"
#include "drift/distances/counts.h"
#include "drift/distances/samples.h"

namespace rekindle::drift::nannyml {

inline constexpr double kChiSquareP = 0.05;
inline const Range kKolmogorovSmirnovRange{0, 1};
inline const Range kDistanceRange{0, std::nullopt};  // all others

// A reference of numbers. From 10,000 of them on, KS and Wasserstein are estimated over 10,000 equal bins.
class Continuous {
 public:
  // Refuses a column without numbers, or with infinite ones.
  static Result<Continuous> fit(std::span<const double> reference);

  double kolmogorov_smirnov(std::span<const double> live) const;
  double wasserstein(std::span<const double> live) const;     // in the unit of the values
  double jensen_shannon(std::span<const double> live) const;  // root, base 2: in [0, 1]
  double hellinger(std::span<const double> live) const;       // in [0, 1]

 private:
  explicit Continuous(std::vector<double> sorted);

  std::vector<double> sorted_;
  std::vector<double> edges_, shares_;            // Doane's bins: Jensen-Shannon and Hellinger
  std::vector<double> fine_edges_, fine_shares_;  // cumulated; of a large reference
  std::vector<double> transport_edges_, transport_shares_;
};

// Categories as counts over the union of both sides' categories, missing ones not among them. Categories that
// the reference does not hold are one bin together, except in chi-square and L-infinity. A reference without
// rows is a caller's bug; live rows may be none.
double jensen_shannon(Counts reference, Counts live);
double hellinger(Counts reference, Counts live);
double l_infinity(Counts reference, Counts live);
// Yates' correction where there are two categories. Without live rows: not numbers.
TestResult chi_square(Counts reference, Counts live);

}  // namespace rekindle::drift::nannyml
