#include "drift/thresholds/chance.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "drift/distances/ks_law.h"

namespace rekindle::drift {

namespace {

// Beyond it the exact law takes long to sum, and its bound is within a thousandth of it.
constexpr int64_t kExactRowsMax = 10'000;

// As scipy's asymptotic law of two samples: one sample of n m / (n + m) rows. Rounded down, which only makes
// chance look larger.
int64_t effective_rows(const Sizes& sizes) {
  const auto n = static_cast<double>(sizes.reference), m = static_cast<double>(sizes.live);
  return std::max<int64_t>(1, static_cast<int64_t>(n * m / (n + m)));
}

// The bound of Dvoretzky, Kiefer, Wolfowitz and Massart, true for any number of rows: 2 exp(-2 rows D^2).
double ks_bound_tail(int64_t rows, double distance) {
  return std::min(1.0, 2 * std::exp(-2 * static_cast<double>(rows) * distance * distance));
}

double ks_bound_quantile(int64_t rows, double tail) {
  return std::min(1.0, std::sqrt(std::log(2 / tail) / (2 * static_cast<double>(rows))));
}

double ks_tail(int64_t rows, double distance) {
  return rows > kExactRowsMax ? ks_bound_tail(rows, distance)
                              : std::clamp(kolmogorov_tail(rows, distance), 0.0, 1.0);
}

double ks_quantile(double tail, int64_t rows) {
  double low = 0, high = ks_bound_quantile(rows, tail);
  if (rows > kExactRowsMax) return high;
  while (high - low > 1e-10 * high) {
    const double middle = (low + high) / 2;
    (kolmogorov_tail(rows, middle) > tail ? low : high) = middle;
  }
  return high;
}

// The distance as chi2 (1/n + 1/m), and back.
double as_chi(Distance distance, double value) {
  if (distance == Distance::kKullbackLeibler) return 2 * value;
  return distance == Distance::kPsi ? value : 8 * value * value;
}

double from_chi(Distance distance, double chi) {
  if (distance == Distance::kKullbackLeibler) return chi / 2;
  return distance == Distance::kPsi ? chi : std::sqrt(chi / 8);
}

double noise(const Sizes& sizes) {
  return 1 / static_cast<double>(sizes.reference) + 1 / static_cast<double>(sizes.live);
}

}  // namespace

double null_quantile(Distance distance, double tail, const Sizes& sizes) {
  CHECK(tail > 0 && tail < 1, "the tail of a law lies between 0 and 1");
  const bool ks = distance == Distance::kKolmogorovSmirnov;
  if (!ks && sizes.bins < 2) return 0;
  if (sizes.reference <= 0 || sizes.live <= 0) return std::numeric_limits<double>::infinity();
  if (ks) return ks_quantile(tail, effective_rows(sizes));
  const boost::math::chi_squared law(sizes.bins - 1);
  return from_chi(distance, boost::math::quantile(boost::math::complement(law, tail)) * noise(sizes));
}

double chance(Distance distance, double value, const Sizes& sizes) {
  CHECK(value >= 0, "a distance is not negative");
  const bool ks = distance == Distance::kKolmogorovSmirnov;
  if ((!ks && sizes.bins < 2) || sizes.reference <= 0 || sizes.live <= 0) return 1;
  if (ks) return ks_tail(effective_rows(sizes), value);
  if (std::isinf(value)) return 0;
  const boost::math::chi_squared law(sizes.bins - 1);
  return boost::math::cdf(boost::math::complement(law, as_chi(distance, value) / noise(sizes)));
}

double alarm_threshold(Distance distance, double user_threshold, double tail, const Sizes& sizes) {
  return std::max(user_threshold, null_quantile(distance, tail, sizes));
}

}  // namespace rekindle::drift
