#include "drift/distances/samples.h"

#include <algorithm>
#include <array>
#include <boost/math/special_functions/bessel.hpp>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "drift/distances/ks_law.h"

namespace rekindle::drift {

namespace {

double size_of(Sorted sample) {
  return static_cast<double>(sample.size());
}

// Calls `visit(value, of a, of b, a up to it, b up to it)` for each distinct value, in order.
template <typename Visit>
void merge(Sorted a, Sorted b, const Visit& visit) {
  CHECK(!a.empty() && !b.empty(), "a distance is between two samples");
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    const double value = j == b.size() || (i < a.size() && a[i] <= b[j]) ? a[i] : b[j];
    const size_t i0 = i, j0 = j;
    while (i < a.size() && a[i] == value) ++i;
    while (j < b.size() && b[j] == value) ++j;
    visit(value, static_cast<double>(i - i0), static_cast<double>(j - j0), static_cast<double>(i),
          static_cast<double>(j));
  }
}

// The integral of |F - G|^power between the least and the greatest value.
double between_distributions(Sorted a, Sorted b, int power) {
  double area = 0, last = 0, apart = 0;
  bool first = true;
  merge(a, b, [&](double value, double, double, double upto_a, double upto_b) {
    if (!first) area += (power == 1 ? apart : apart * apart) * (value - last);
    apart = std::abs(upto_a / size_of(a) - upto_b / size_of(b));
    last = value;
    first = false;
  });
  return area;
}

// --- Cramer-von Mises ---

// The limit law; terms fall so fast that one below 1e-7 is the last that counts.
double limit_law(double x) {
  double sum = 0;
  for (int k = 0;; ++k) {
    const double y = 4 * k + 1, q = y * y / (16 * x);
    const double u = std::exp(std::lgamma(k + 0.5) - std::lgamma(k + 1)) /
                     (std::pow(std::numbers::pi, 1.5) * std::sqrt(x));
    const double term = q > 700 ? 0 : u * std::sqrt(y) * std::exp(-q) * boost::math::cyl_bessel_k(0.25, q);
    sum += term;
    if (std::abs(term) < 1e-7) return sum;
  }
}

// How many of the arrangements of n and m values have a statistic of `u` or more, as a share.
// Source: Xiao, Gordon and Yakovlev, "A C++ program for the Cramer-von Mises two-sample test".
double exact_cvm(double u, int64_t n, int64_t m) {
  const int64_t lcm = std::lcm(n, m), a = lcm / n, b = lcm / m, nm = n * m;
  const auto scale = static_cast<double>(lcm * lcm * (n + m));
  const auto zeta = static_cast<int64_t>(std::floor(scale * (6 * u - static_cast<double>(nm * (4 * nm - 1))) /
                                                    static_cast<double>(6 * nm * nm)));
  using Frequencies = std::map<int64_t, uint64_t>;
  std::vector<Frequencies> columns(static_cast<size_t>(n) + 1);
  columns[0][0] = 1;
  for (int64_t row = 0; row <= m; ++row) {
    Frequencies left;
    for (int64_t column = 0; column <= n; ++column) {
      Frequencies& here = columns[static_cast<size_t>(column)];
      for (const auto& [value, count] : left) here[value] += count;
      const int64_t off = a * column - b * row;
      Frequencies moved;
      for (const auto& [value, count] : here) moved[value + off * off] = count;
      here = moved;
      left = std::move(moved);
    }
  }
  uint64_t all = 0, beyond = 0;
  for (const auto& [value, count] : columns[static_cast<size_t>(n)]) {
    all += count;
    if (value >= zeta) beyond += count;
  }
  return static_cast<double>(beyond) / static_cast<double>(all);
}

// --- Anderson-Darling ---

// Scholz and Stephens' table for two samples: log p as a parabola in the statistic, by least squares.
std::array<double, 3> anderson_parabola() {
  constexpr std::array<double, 7> b0 = {0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085},
                                  b1 = {-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615},
                                  b2 = {-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154},
                                  levels = {0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001};
  // Polynomials that are orthogonal over the seven points: no system to solve.
  std::array<double, 7> x{}, first{}, second{};
  double mean = 0;
  for (size_t i = 0; i < 7; ++i) mean += (x[i] = b0[i] + b1[i] + b2[i]) / 7;
  double ff = 0, xff = 0;
  for (size_t i = 0; i < 7; ++i) {
    first[i] = x[i] - mean;
    ff += first[i] * first[i];
    xff += x[i] * first[i] * first[i];
  }
  double ss = 0, y0 = 0, y1 = 0, y2 = 0;
  for (size_t i = 0; i < 7; ++i) {
    second[i] = (x[i] - xff / ff) * first[i] - ff / 7;
    ss += second[i] * second[i];
    const double y = std::log(levels[i]);
    y0 += y / 7;
    y1 += y * first[i] / ff;
    y2 += y * second[i];
  }
  y2 /= ss;
  // y0 + y1 (x - mean) + y2 ((x - xff / ff) (x - mean) - ff / 7), by powers of x.
  return {y0 - y1 * mean + y2 * (xff / ff * mean - ff / 7), y1 - y2 * (mean + xff / ff), y2};
}

constexpr double kAndersonLeast = 0.675 - 0.245 - 0.105, kAndersonGreatest = 3.085 + 3.615 - 0.154;

double anderson_p(double statistic) {
  if (statistic < kAndersonLeast) return 0.25;
  if (statistic > kAndersonGreatest) return 0.001;
  static const std::array<double, 3> c = anderson_parabola();
  return std::exp(c[0] + statistic * (c[1] + statistic * c[2]));
}

// --- Mann-Whitney ---

// P(U >= u) without ties: the coefficients of the Gaussian binomial of n + m over n. Their products and
// quotients are exact modulo 2^128, and so is each coefficient that fits.
double exact_mann_whitney(double u, int64_t n, int64_t m) {
  if (n > m) std::swap(n, m);
  using Wide = unsigned __int128;
  const int64_t top = n * m;
  std::vector<Wide> counts(static_cast<size_t>(top) + 1);
  counts[0] = 1;
  for (int64_t i = 1; i <= n; ++i) {
    for (int64_t k = top; k >= m + i; --k)
      counts[static_cast<size_t>(k)] -= counts[static_cast<size_t>(k - m - i)];
    for (int64_t k = i; k <= top; ++k) counts[static_cast<size_t>(k)] += counts[static_cast<size_t>(k - i)];
  }
  double all = 0, beyond = 0;
  for (int64_t k = top; k >= 0; --k) {
    const auto count = static_cast<double>(counts[static_cast<size_t>(k)]);
    all += count;
    if (static_cast<double>(k) >= u) beyond += count;
  }
  return beyond / all;
}

}  // namespace

double ks_distance(Sorted a, Sorted b) {
  double greatest = 0;
  merge(a, b, [&](double, double, double, double upto_a, double upto_b) {
    greatest = std::max(greatest, std::abs(upto_a / size_of(a) - upto_b / size_of(b)));
  });
  return greatest;
}

TestResult kolmogorov_smirnov(Sorted a, Sorted b) {
  const double distance = ks_distance(a, b);
  return {distance, ks_p_value(distance, static_cast<int64_t>(a.size()), static_cast<int64_t>(b.size()))};
}

Result<TestResult> cramer_von_mises(Sorted a, Sorted b) {
  if (a.size() < 2 || b.size() < 2)
    return invalid_argument("Cramer-von Mises compares samples of at least two values");
  const double n = size_of(a), m = size_of(b), all = n + m, k = n * m;
  double of_a = 0, of_b = 0;
  merge(a, b, [&](double, double in_a, double in_b, double upto_a, double upto_b) {
    // All of one value share their mean rank; i-th of a sample is expected at i.
    const double rank = upto_a + upto_b - (in_a + in_b - 1) / 2;
    for (double i = upto_a - in_a + 1; i <= upto_a; ++i) of_a += (rank - i) * (rank - i);
    for (double i = upto_b - in_b + 1; i <= upto_b; ++i) of_b += (rank - i) * (rank - i);
  });
  const double u = n * of_a + m * of_b, t = u / (k * all) - (4 * k - 1) / (6 * all);
  if (std::max(a.size(), b.size()) <= 20)
    return TestResult{t, exact_cvm(u, static_cast<int64_t>(a.size()), static_cast<int64_t>(b.size()))};
  const double expected = (1 + 1 / all) / 6;
  const double variance = (all + 1) * (4 * k * all - 3 * (n * n + m * m) - 2 * k) / (45 * all * all * 4 * k);
  const double normal = 1.0 / 6 + (t - expected) / std::sqrt(45 * variance);
  return TestResult{t, normal < 0.003 ? 1 : std::max(0.0, 1 - limit_law(normal))};
}

Result<TestResult> anderson_darling(Sorted a, Sorted b) {
  CHECK(!a.empty() && !b.empty(), "a distance is between two samples");
  if (std::min(a.front(), b.front()) == std::max(a.back(), b.back()))
    return invalid_argument("Anderson-Darling compares samples of more than one distinct value");
  const double n = size_of(a), m = size_of(b), all = n + m;
  if (all < 4) return invalid_argument("Anderson-Darling compares at least four values");
  double sum = 0;
  merge(a, b, [&](double, double in_a, double in_b, double upto_a, double upto_b) {
    const double here = in_a + in_b, upto = upto_a + upto_b - here / 2;
    const double weight = here / all / (upto * (all - upto) - all * here / 4);
    const double off_a = all * (upto_a - in_a / 2) - upto * n, off_b = all * (upto_b - in_b / 2) - upto * m;
    sum += weight * (off_a * off_a / n + off_b * off_b / m);
  });
  sum *= (all - 1) / all;
  double h = 0, g = 0;
  for (double i = 2; i < all; ++i) {
    h += 1 / (all - i + 1);
    g += h / i;
  }
  h += 1;
  const double inverse = 1 / n + 1 / m;
  const double c3 = (4 * g - 6) + (10 - 6 * g) * inverse;
  const double c2 = (2 * g - 4) * 4 + 16 * h + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6;
  const double c1 = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * inverse + 4 * h;
  const double c0 = (2 * h + 6) * 4 - 8 * h;
  const double variance = (((c3 * all + c2) * all + c1) * all + c0) / ((all - 1) * (all - 2) * (all - 3));
  const double statistic = (sum - 1) / std::sqrt(variance);
  return TestResult{statistic, anderson_p(statistic)};
}

TestResult mann_whitney(Sorted a, Sorted b) {
  const double n = size_of(a), m = size_of(b), all = n + m;
  double ranks = 0, ties = 0;
  merge(a, b, [&](double, double in_a, double in_b, double upto_a, double upto_b) {
    const double here = in_a + in_b;
    ranks += in_a * (upto_a + upto_b - (here - 1) / 2);
    ties += here * here * here - here;
  });
  const double u = ranks - n * (n + 1) / 2, greater = std::max(u, n * m - u);
  if (std::min(a.size(), b.size()) <= 8 && ties == 0)
    return {u, std::min(1.0, 2 * exact_mann_whitney(greater, static_cast<int64_t>(a.size()),
                                                    static_cast<int64_t>(b.size())))};
  const double deviation = std::sqrt(n * m / 12 * (all + 1 - ties / (all * (all - 1))));
  if (deviation == 0) return {u, 1};
  const double z = (greater - n * m / 2 - 0.5) / deviation;
  return {u, std::clamp(std::erfc(z / std::numbers::sqrt2), 0.0, 1.0)};
}

double wasserstein(Sorted a, Sorted b) {
  return between_distributions(a, b, 1);
}

double energy_distance(Sorted a, Sorted b) {
  return std::numbers::sqrt2 * std::sqrt(between_distributions(a, b, 2));
}

}  // namespace rekindle::drift
