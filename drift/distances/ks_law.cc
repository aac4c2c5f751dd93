#include "drift/distances/ks_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr int64_t kExactMax = 10'000;  // values in the larger sample

// --- two samples, exactly ---

// Equal sizes: the share of paths that leave the square band |i - j| < h, by reflection.
double outside_square(int64_t n, int64_t h) {
  double p = 0;
  for (int64_t k = n / h; k >= 0; --k) {
    double term = 1;
    for (int64_t j = 0; j < h; ++j)
      term = static_cast<double>(n - k * h - j) * term / static_cast<double>(n + k * h + j + 1);
    p = term * (1 - p);
  }
  return 2 * p;
}

// Any sizes: the share of lattice paths that leave the band |i/n - j/m| < h / lcm. Row by row, each entry
// is the share of paths to it that left; rescaled so that nothing overflows.
// Source: Hodges, "The significance probability of the Smirnov two-sample test".
double outside_band(int64_t n, int64_t m, int64_t gcd, int64_t h) {
  if (n < m) std::swap(n, m);
  const int64_t ng = n / gcd, mg = m / gcd;
  // shares[j]: probability that a random path through (i, j) has left the band by then.
  std::vector<double> shares(static_cast<size_t>(m) + 1);
  const auto outside = [&](int64_t i, int64_t j) { return std::abs(i * mg - j * ng) >= h; };
  for (int64_t j = 0; j <= m; ++j) shares[static_cast<size_t>(j)] = j > 0 && outside(0, j);
  for (int64_t j = 1; j <= m; ++j)
    if (shares[static_cast<size_t>(j - 1)] > 0) shares[static_cast<size_t>(j)] = 1;
  for (int64_t i = 1; i <= n; ++i) {
    shares[0] = shares[0] > 0 || outside(i, 0);
    for (int64_t j = 1; j <= m; ++j) {
      double& here = shares[static_cast<size_t>(j)];
      const double from_j = shares[static_cast<size_t>(j - 1)];
      // Of the paths to (i, j), i / (i + j) came by a step in i.
      here = outside(i, j) ? 1
                           : (here * static_cast<double>(i) + from_j * static_cast<double>(j)) /
                                 static_cast<double>(i + j);
    }
  }
  return shares[static_cast<size_t>(m)];
}

// --- one sample ---

// The matrix of Marsaglia, Tsang and Wang, raised to n; entries are kept in range by a power of two.
double matrix_cdf(int64_t n, double d) {
  constexpr double kHigh = 0x1p128;
  const double nd = static_cast<double>(n) * d;
  const int k = static_cast<int>(std::ceil(nd)), m = 2 * k - 1;
  const double h = k - nd;
  const auto size = static_cast<size_t>(m);
  using Matrix = std::vector<double>;
  Matrix base(size * size), power(size * size);
  std::vector<double> column(size), factor(size);
  double inverse = 1;  // 1 / (j - 1)!
  for (size_t j = 0; j < size; ++j) {
    factor[j] = inverse;
    inverse /= static_cast<double>(j + 1);
    column[j] = (1 - std::pow(h, static_cast<double>(j + 1))) * inverse;
  }
  column[size - 1] = (1 + std::pow(std::max(2 * h - 1, 0.0), m) - 2 * std::pow(h, m)) * inverse;
  for (size_t row = 0; row < size; ++row)
    for (size_t col = 1; col <= std::min(row + 1, size - 1); ++col)
      base[row * size + col] = factor[row + 1 - col];
  for (size_t j = 0; j < size; ++j) {
    base[j * size] = column[j];
    base[(size - 1) * size + j] = column[size - 1 - j];
    power[j * size + j] = 1;
  }
  const auto times = [&](const Matrix& a, const Matrix& b) {
    Matrix out(size * size);
    for (size_t i = 0; i < size; ++i)
      for (size_t l = 0; l < size; ++l)
        for (size_t j = 0; j < size; ++j) out[i * size + j] += a[i * size + l] * b[l * size + j];
    return out;
  };
  const size_t middle = static_cast<size_t>(k - 1) * size + static_cast<size_t>(k - 1);
  int power_exponent = 0, base_exponent = 0;
  for (int64_t left = n; left > 0; left /= 2) {
    if (left % 2) {
      power = times(power, base);
      power_exponent += base_exponent;
    }
    base = times(base, base);
    base_exponent *= 2;
    if (std::abs(base[middle]) > kHigh) {
      for (double& x : base) x /= kHigh;
      base_exponent += 128;
    }
  }
  double p = power[middle];
  for (int64_t i = 1; i <= n; ++i) {
    p *= static_cast<double>(i) / static_cast<double>(n);
    if (std::abs(p) < 1 / kHigh) {
      p *= kHigh;
      power_exponent -= 128;
    }
  }
  return std::ldexp(p, power_exponent);
}

// The first four terms in powers of 1 / sqrt(n).
double pelz_good_cdf(int64_t n, double d) {
  const double z = std::sqrt(static_cast<double>(n)) * d;
  const double pi2 = std::numbers::pi * std::numbers::pi, pi4 = pi2 * pi2, pi6 = pi4 * pi2;
  const double z2 = z * z, z3 = z2 * z, z4 = z2 * z2, z6 = z4 * z2, z8 = z4 * z4;
  if (-pi2 / 8 / z2 < -745) return 0;
  const double q = std::exp(-pi2 / 8 / z2);
  const int terms = static_cast<int>(std::ceil(16 * z / std::numbers::pi));
  std::array<double, 4> sum{};
  for (int k = terms; k > 0; --k) {
    const double m2 = std::pow(2 * k - 1, 2), m4 = m2 * m2, m6 = m4 * m2;
    const std::array<double, 4> coefficients = {
        1.0, -z2 + pi2 / 4 * m2,
        6 * z6 + 2 * z4 + (2 * z4 - 5 * z2) * pi2 / 4 * m2 + pi4 * (1 - 2 * z2) / 16 * m4,
        -30 * z6 - 90 * z8 + pi2 * (135 * z4 - 96 * z6) / 4 * m2 + pi4 * (-60 * z2 + 212 * z4) / 16 * m4 +
            pi6 * (5 - 30 * z2) / 64 * m6};
    const double step = std::pow(q, 8 * k);
    for (size_t i = 0; i < 4; ++i) sum[i] = sum[i] * step + coefficients[i];
  }
  const double root = std::sqrt(2 * std::numbers::pi);
  const std::array<double, 4> divisors = {z, 6 * z4, 72 * z4 * z3, 6480 * z8 * z2};
  for (size_t i = 0; i < 4; ++i) sum[i] *= q * root / divisors[i];
  double second = 0, third = 0;
  for (int k = terms; k > 0; --k) {
    const double k2 = static_cast<double>(k) * k, share = k2 * std::exp(-pi2 / 2 / z2 * k2);
    second += share;
    third += (3 * z2 - pi2 * k2) * share;
  }
  sum[2] -= second * pi2 * root / (36 * z3);
  sum[3] += third * pi2 * root / (216 * z6);
  double cdf = 0;
  for (size_t i = 0; i < 4; ++i) cdf += sum[i] / std::pow(static_cast<double>(n), static_cast<double>(i) / 2);
  return cdf;
}

// P(D+ > d) of one sample, one-sided, exactly: a sum of positive terms.
double smirnov_tail(int64_t n, double d) {
  const auto size = static_cast<double>(n);
  const double log_all = std::lgamma(size + 1);
  double sum = std::pow(1 - d, size) / d;
  for (int64_t j = 1; static_cast<double>(j) < size * (1 - d); ++j) {
    const auto at = static_cast<double>(j);
    const double left = size - at, rate = d + at / size;
    sum += std::exp(log_all - std::lgamma(at + 1) - std::lgamma(left + 1) + (at - 1) * std::log(rate) +
                    left * std::log1p(-rate));
  }
  return std::min(1.0, d * sum);
}

}  // namespace

double ks_p_value(double distance, int64_t n, int64_t m) {
  CHECK(n > 0 && m > 0, "a distance is between two samples");
  const int64_t gcd = std::gcd(n, m), lcm = n / gcd * m;
  if (std::max(n, m) <= kExactMax) {
    const auto h = static_cast<int64_t>(std::llround(distance * static_cast<double>(lcm)));
    if (h == 0) return 1;
    return std::clamp(n == m ? outside_square(n, h) : outside_band(n, m, gcd, h), 0.0, 1.0);
  }
  const double size = static_cast<double>(n) * static_cast<double>(m) / static_cast<double>(n + m);
  return kolmogorov_tail(std::max<int64_t>(1, static_cast<int64_t>(std::nearbyint(size))), distance);
}

double kolmogorov_tail(int64_t n, double d) {
  const double size = static_cast<double>(n), nd = size * d;
  if (d >= 1) return 0;
  if (nd <= 0.5) return 1;
  if (nd <= 1)  // Ruben and Gambino
    return 1 - std::exp(std::lgamma(size + 1) - size * std::log(size) + size * std::log(2 * nd - 1));
  if (nd >= size - 1) return 2 * std::pow(1 - d, size);
  const double squared = nd * d;
  if (d >= 0.5 || squared >= (n <= 140 ? 4.0 : 2.2))
    return squared >= 370 ? 0 : std::min(1.0, 2 * smirnov_tail(n, d));
  if (n <= 140 || (n <= 100'000 && size * std::pow(d, 1.5) <= 1.4)) return 1 - matrix_cdf(n, d);
  return 1 - pelz_good_cdf(n, d);
}

}  // namespace rekindle::drift
