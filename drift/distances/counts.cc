#include "drift/distances/counts.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace rekindle::drift {

namespace {

double rows(Counts counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
}

// Calls `visit(p, q)` for each bin that holds rows.
template <typename Visit>
void shares(Counts reference, Counts live, const Visit& visit) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  const double n = rows(reference), m = rows(live);
  CHECK(n > 0 && m > 0, "a side without rows has no shares");
  for (size_t i = 0; i < live.size(); ++i)
    if (reference[i] > 0 || live[i] > 0)
      visit(static_cast<double>(reference[i]) / n, static_cast<double>(live[i]) / m);
}

double tail(double statistic, int bins) {
  if (bins < 2) return 1;
  return boost::math::cdf(boost::math::complement(boost::math::chi_squared(bins - 1), statistic));
}

}  // namespace

double jensen_shannon(Counts reference, Counts live) {
  double sum = 0;
  shares(reference, live, [&](double p, double q) {
    const double middle = (p + q) / 2;
    if (p > 0) sum += p * std::log(p / middle);
    if (q > 0) sum += q * std::log(q / middle);
  });
  return std::sqrt(std::max(0.0, sum / 2));
}

double hellinger(Counts reference, Counts live) {
  double sum = 0;
  shares(reference, live, [&](double p, double q) { sum += std::pow(std::sqrt(p) - std::sqrt(q), 2); });
  return std::sqrt(sum / 2);
}

double total_variation(Counts reference, Counts live) {
  double sum = 0;
  shares(reference, live, [&](double p, double q) { sum += std::abs(p - q); });
  return sum / 2;
}

double l_infinity(Counts reference, Counts live) {
  double greatest = 0;
  shares(reference, live, [&](double p, double q) { greatest = std::max(greatest, std::abs(p - q)); });
  return greatest;
}

double kullback_leibler(Counts reference, Counts live) {
  const double n = rows(reference), m = rows(live);
  double bins = 0, sum = 0;
  shares(reference, live, [&](double, double) { ++bins; });
  shares(reference, live, [&](double p, double q) {
    const double smooth_p = (p * n + 0.5) / (n + 0.5 * bins), smooth_q = (q * m + 0.5) / (m + 0.5 * bins);
    sum += smooth_p * std::log(smooth_p / smooth_q);
  });
  return sum;
}

TestResult chi_square(Counts reference, Counts live) {
  const double n = rows(reference), m = rows(live);
  int bins = 0;
  shares(reference, live, [&](double, double) { ++bins; });
  double statistic = 0;
  shares(reference, live, [&](double p, double q) {
    const double both = (p * n + q * m) / (n + m);
    for (const auto& [size, share] : {std::pair{n, p}, std::pair{m, q}}) {
      const double expected = size * both, off = std::abs(size * share - expected);
      const double counted = bins == 2 ? off - std::min(0.5, off) : off;
      statistic += counted * counted / expected;
    }
  });
  return {statistic, tail(statistic, bins)};
}

TestResult g_test(Counts reference, Counts live) {
  const double n = rows(reference), m = rows(live);
  int bins = 0;
  double statistic = 0;
  shares(reference, live, [&](double p, double q) {
    ++bins;
    const double both = (p * n + q * m) / (n + m);
    if (p > 0) statistic += 2 * n * p * std::log(p / both);
    if (q > 0) statistic += 2 * m * q * std::log(q / both);
  });
  return {statistic, tail(statistic, bins)};
}

}  // namespace rekindle::drift
