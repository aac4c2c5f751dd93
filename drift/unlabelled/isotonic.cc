#include "drift/unlabelled/isotonic.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr double kSameScore = 1e-15;  // scores closer than this are one

struct Block {
  double score = 0, sum = 0, weight = 0;
};

std::vector<Block> distinct_scores(std::span<const double> scores, std::span<const uint8_t> labels) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return scores[i]; });
  std::vector<Block> out;
  for (const size_t i : order) {
    CHECK(std::isfinite(scores[i]), "a score is a number");
    if (out.empty() || scores[i] - out.back().score >= kSameScore) out.push_back({scores[i], 0, 0});
    out.back().sum += labels[i];
    out.back().weight += 1;
  }
  return out;
}

// Neighbours that fall are put together until none does.
std::vector<double> rising_means(const std::vector<Block>& blocks) {
  struct Pool {
    double sum, weight;
    size_t blocks;
    double mean() const { return sum / weight; }
  };
  std::vector<Pool> pools;
  for (const Block& block : blocks) {
    pools.push_back({block.sum, block.weight, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() >= pools.back().mean()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back() = {pools.back().sum + last.sum, pools.back().weight + last.weight,
                      pools.back().blocks + last.blocks};
    }
  }
  std::vector<double> out;
  for (const Pool& pool : pools) out.insert(out.end(), pool.blocks, pool.mean());
  return out;
}

}  // namespace

Isotonic Isotonic::fit(std::span<const double> scores, std::span<const uint8_t> labels) {
  CHECK(!scores.empty() && scores.size() == labels.size(), "a label for each score, and one at least");
  const std::vector<Block> blocks = distinct_scores(scores, labels);
  const std::vector<double> means = rising_means(blocks);
  Isotonic out;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool inside = i > 0 && i + 1 < blocks.size();
    if (inside && means[i] == means[i - 1] && means[i] == means[i + 1]) continue;
    out.scores_.push_back(blocks[i].score);
    out.values_.push_back(means[i]);
  }
  return out;
}

double Isotonic::operator()(double score) const {
  if (score <= scores_.front()) return values_.front();
  if (score >= scores_.back()) return values_.back();
  const auto above = static_cast<size_t>(std::ranges::upper_bound(scores_, score) - scores_.begin());
  const size_t i = above - 1;
  const double slope = (values_[above] - values_[i]) / (scores_[above] - scores_[i]);
  return slope * (score - scores_[i]) + values_[i];
}

}  // namespace rekindle::drift
