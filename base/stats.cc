#include "base/stats.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace rekindle {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double log_loss(double label, double probability) {
  const double p = std::clamp(probability, kProbabilityFloor, 1.0 - kProbabilityFloor);
  return label > 0.5 ? -std::log(p) : -std::log1p(-p);
}

double log_loss(std::span<const double> labels, std::span<const double> probabilities) {
  CHECK(labels.size() == probabilities.size(), "one probability per label");
  std::vector<double> losses(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) losses[i] = log_loss(labels[i], probabilities[i]);
  return mean(losses);
}

double auroc(std::span<const double> labels, std::span<const double> scores) {
  CHECK(labels.size() == scores.size(), "one score per label");
  const std::vector<double> rank = ranks(scores);
  double positives = 0, rank_sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] <= 0.5) continue;
    positives += 1;
    rank_sum += rank[i];
  }
  const double negatives = static_cast<double>(labels.size()) - positives;
  if (positives == 0 || negatives == 0) return kNaN;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

std::vector<double> auroc_parts(std::span<const double> labels, std::span<const double> scores) {
  CHECK(labels.size() == scores.size(), "one score per label");
  std::vector<double> of_class[2];
  for (size_t i = 0; i < labels.size(); ++i) of_class[labels[i] > 0.5].push_back(scores[i]);
  const std::vector<double> all = ranks(scores), own[2] = {ranks(of_class[0]), ranks(of_class[1])};
  const double counts[2] = {static_cast<double>(own[0].size()), static_cast<double>(own[1].size())};
  std::vector<double> out(labels.size(), kNaN);
  if (own[0].empty() || own[1].empty()) return out;
  size_t next[2] = {0, 0};
  for (size_t i = 0; i < labels.size(); ++i) {
    const bool positive = labels[i] > 0.5;
    // Rows of the other class that are ranked below this one.
    const double below = (all[i] - own[positive][next[positive]++]) / counts[!positive];
    out[i] = positive ? below : 1 - below;
  }
  return out;
}

double sum(std::span<const double> values) {
  constexpr size_t kDirect = 64;
  if (values.size() <= kDirect) return std::accumulate(values.begin(), values.end(), 0.0);
  const size_t half = values.size() / 2;
  return sum(values.first(half)) + sum(values.subspan(half));
}

double mean(std::span<const double> values) {
  return values.empty() ? kNaN : sum(values) / static_cast<double>(values.size());
}

double variance(std::span<const double> values) {
  const double center = mean(values);
  std::vector<double> squares(values.size());
  for (size_t i = 0; i < values.size(); ++i) squares[i] = (values[i] - center) * (values[i] - center);
  return mean(squares);
}

double quantile(std::span<const double> values, double share) {
  CHECK(share >= 0 && share <= 1, "a share lies between 0 and 1");
  if (values.empty()) return kNaN;
  std::vector<double> sorted(values.begin(), values.end());
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(position);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(low), sorted.end());
  if (low + 1 == sorted.size()) return sorted[low];
  const double next = *std::min_element(sorted.begin() + static_cast<ptrdiff_t>(low) + 1, sorted.end());
  return sorted[low] + (position - static_cast<double>(low)) * (next - sorted[low]);
}

double median(std::span<const double> values) {
  return quantile(values, 0.5);
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i + 1;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    const double shared = (static_cast<double>(i + 1) + static_cast<double>(end)) / 2;
    for (size_t k = i; k < end; ++k) rank[order[k]] = shared;
    i = end;
  }
  return rank;
}

}  // namespace rekindle
