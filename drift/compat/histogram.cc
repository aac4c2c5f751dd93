#include "drift/compat/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace rekindle::drift::numpy {

namespace {

double size_of(std::span<const double> values) {
  return static_cast<double>(values.size());
}

double width_of(Sorted sample) {
  return sample.back() - sample.front();
}

constexpr int64_t kBinsMax = 1'000'000;

// The rules give a width, from which the number of bins follows; 0: one bin. The rules that count rows alone
// never come near the greatest number.
int64_t bins_of(Sorted sample, double width) {
  const double low = sample.front(), high = sample.back();
  const double length = low == high ? 1 : high - low;
  if (!(width > 0)) return 1;
  return static_cast<int64_t>(std::min(std::ceil(length / width), static_cast<double>(kBinsMax) + 1));
}

std::vector<double> edges_by_width(Sorted sample, double width) {
  return edges(sample, bins_of(sample, width));
}

double sturges_width(Sorted sample) {
  return width_of(sample) / (std::log2(size_of(sample)) + 1);
}

// Between the two values next to it, from the nearer one.
double quantile(Sorted sample, double share) {
  const double at = share * (size_of(sample) - 1), below = std::floor(at), part = at - below;
  const auto i = static_cast<size_t>(below);
  const double a = sample[i], b = sample[std::min(i + 1, sample.size() - 1)], step = b - a;
  return part >= 0.5 ? b - step * (1 - part) : a + step * part;
}

}  // namespace

std::vector<double> finite_sorted(std::span<const double> values) {
  std::vector<double> out;
  out.reserve(values.size());
  for (const double value : values)
    if (std::isfinite(value)) out.push_back(value);
  std::ranges::sort(out);
  return out;
}

bool has_range(Sorted a, Sorted b) {
  return std::isfinite(std::max(a.back(), b.back()) - std::min(a.front(), b.front()));
}

double sum(std::span<const double> values) {
  constexpr size_t kLanes = 8, kBlock = 128;
  const size_t n = values.size();
  if (n < kLanes) {
    double out = n == 0 ? 0 : -0.0;
    for (const double value : values) out += value;
    return out;
  }
  if (n <= kBlock) {
    std::array<double, kLanes> lane;
    std::copy_n(values.begin(), kLanes, lane.begin());
    size_t i = kLanes;
    for (; i < n - n % kLanes; i += kLanes)
      for (size_t k = 0; k < kLanes; ++k) lane[k] += values[i + k];
    double out = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; i < n; ++i) out += values[i];
    return out;
  }
  const size_t half = n / 2 - (n / 2) % kLanes;
  return sum(values.first(half)) + sum(values.subspan(half));
}

double mean(std::span<const double> values) {
  CHECK(!values.empty(), "no values have no mean");
  return sum(values) / size_of(values);
}

double spread(std::span<const double> values) {
  const double middle = mean(values);
  std::vector<double> squares(values.begin(), values.end());
  for (double& x : squares) x = (x - middle) * (x - middle);
  return std::sqrt(mean(squares));
}

std::vector<double> edges(double low, double high, int64_t bins) {
  CHECK(bins > 0 && low <= high, "edges go from the least to the greatest value");
  std::vector<double> out(static_cast<size_t>(bins) + 1);
  const double step = (high - low) / static_cast<double>(bins);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(i) * step + low;
  out.back() = high;
  return out;
}

std::vector<double> edges(Sorted sample, int64_t bins) {
  CHECK(!sample.empty(), "a histogram needs a value");
  const double low = sample.front(), high = sample.back();
  return low == high ? edges(low - 0.5, high + 0.5, bins) : edges(low, high, bins);
}

std::vector<double> sturges_edges(Sorted sample) {
  return edges_by_width(sample, sturges_width(sample));
}

std::vector<double> doane_edges(Sorted sample) {
  const double n = size_of(sample);
  const double sigma = sample.size() > 2 ? spread(sample) : 0;
  if (sigma <= 0) return edges(sample, 1);
  const double sg1 = std::sqrt(6.0 * (n - 2) / ((n + 1.0) * (n + 3)));
  const double middle = mean(sample);
  std::vector<double> cubes(sample.begin(), sample.end());
  for (double& x : cubes) x = std::pow((x - middle) / sigma, 3);
  const double skew = mean(cubes);
  return edges_by_width(sample,
                        width_of(sample) / (1.0 + std::log2(n) + std::log2(1.0 + std::abs(skew) / sg1)));
}

Result<std::vector<double>> auto_edges(Sorted sample) {
  const double n = size_of(sample);
  const double middle_half = quantile(sample, 0.75) - quantile(sample, 0.25);
  const double freedman_diaconis = 2.0 * middle_half * std::pow(n, -1.0 / 3.0);
  const double sturges = sturges_width(sample);
  const int64_t bins =
      bins_of(sample, freedman_diaconis > 0 ? std::min(freedman_diaconis, sturges) : sturges);
  if (bins > kBinsMax)
    return invalid_argument("values lie so far apart that they need more than a million bins");
  return edges(sample, bins);
}

std::vector<int64_t> histogram(Sorted sample, std::span<const double> edges) {
  CHECK(edges.size() >= 2, "a histogram has a bin");
  std::vector<int64_t> out(edges.size() - 1);
  auto from = std::ranges::lower_bound(sample, edges.front());
  for (size_t i = 1; i < edges.size(); ++i) {
    const auto until = i + 1 == edges.size() ? std::upper_bound(from, sample.end(), edges[i])
                                             : std::lower_bound(from, sample.end(), edges[i]);
    out[i - 1] = until - from;
    from = until;
  }
  return out;
}

std::vector<double> shares(std::span<const int64_t> counts, double rows) {
  std::vector<double> out;
  out.reserve(counts.size());
  for (const int64_t count : counts) out.push_back(static_cast<double>(count) / rows);
  return out;
}

double relative_entropy(double x, double y) {
  if (std::isnan(x) || std::isnan(y)) return std::numeric_limits<double>::quiet_NaN();
  if (x > 0 && y > 0) {
    const double ratio = x / y;
    if (ratio > 0.5 && ratio < 2) return x * std::log1p((x - y) / y);
    if (ratio > std::numeric_limits<double>::min() && ratio < std::numeric_limits<double>::infinity())
      return x * std::log(ratio);
    return x * (std::log(x) - std::log(y));
  }
  return x == 0 && y >= 0 ? 0 : std::numeric_limits<double>::infinity();
}

double jensen_shannon(std::span<const double> p, std::span<const double> q) {
  CHECK(p.size() == q.size(), "shares over different bins cannot be compared");
  const double all_p = sum(p), all_q = sum(q);
  std::vector<double> left, right;
  for (size_t i = 0; i < p.size(); ++i) {
    const double here = p[i] / all_p, there = q[i] / all_q, middle = (here + there) / 2;
    left.push_back(relative_entropy(here, middle));
    right.push_back(relative_entropy(there, middle));
  }
  return std::sqrt((sum(left) + sum(right)) / 2);
}

}  // namespace rekindle::drift::numpy
