#include "drift/thresholds/multiple.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace rekindle::drift {

namespace {

void check_p(std::span<const double> p) {
  CHECK(std::ranges::all_of(p, [](double x) { return x >= 0 && x <= 1; }), "a p-value lies in [0, 1]");
}

}  // namespace

std::vector<double> benjamini_hochberg(std::span<const double> p, Dependence dependence) {
  check_p(p);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return p[i]; });
  const auto tests = static_cast<double>(p.size());
  double strictness = 1;
  if (dependence == Dependence::kAny) {
    strictness = 0;
    for (size_t i = 1; i <= p.size(); ++i) strictness += 1 / static_cast<double>(i);
  }
  std::vector<double> out(p.size());
  double least = 1;  // from the greatest down: an adjusted p-value is never above that of a greater one
  for (size_t rank = p.size(); rank > 0; --rank) {
    const size_t at = order[rank - 1];
    least = std::min(least, p[at] * (tests / static_cast<double>(rank)) * strictness);
    out[at] = least;
  }
  return out;
}

std::vector<double> bonferroni(std::span<const double> p) {
  check_p(p);
  std::vector<double> out(p.begin(), p.end());
  for (double& x : out) x = std::min(1.0, x * static_cast<double>(p.size()));
  return out;
}

std::vector<double> weighted(std::span<const double> p, std::span<const double> weights) {
  check_p(p);
  CHECK(p.size() == weights.size(), "a weight for each p-value");
  double sum = 0;
  for (const double weight : weights) {
    CHECK(std::isfinite(weight) && weight >= 0, "a weight is finite and not negative");
    sum += weight;
  }
  CHECK(p.empty() || sum > 0, "one weight must be above 0");
  std::vector<double> out(p.size(), 1);
  for (size_t i = 0; i < p.size(); ++i)
    if (weights[i] > 0) out[i] = std::min(1.0, p[i] * sum / static_cast<double>(p.size()) / weights[i]);
  return out;
}

}  // namespace rekindle::drift
