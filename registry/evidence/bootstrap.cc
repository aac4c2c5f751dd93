#include "registry/evidence/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/check.h"
#include "base/stats.h"

namespace rekindle::registry {
namespace {

// A ratio whose two sums come block by block.
struct Ratio {
  std::vector<double> gain, rows;

  void add(double block_gain, int64_t block_rows) {
    gain.push_back(block_gain);
    rows.push_back(static_cast<double>(block_rows));
  }
  double whole() const { return sum(gain) / sum(rows); }
};

// The gain is the sum of the ratios' deviations from their wholes, and of the first's whole.
std::vector<Ratio> ratios_of(std::span<const v1::GainBlock* const> blocks, v1::Gate::Metric metric) {
  std::vector<Ratio> out(metric == v1::Gate::AUROC ? 2 : 1);
  for (const v1::GainBlock* block : blocks) {
    switch (metric) {
      case v1::Gate::AUROC:
        out[0].add(block->positive_gain(), block->positives());
        out[1].add(block->negative_gain(), block->rows() - block->positives());
        break;
      case v1::Gate::ACCURACY:
        out[0].add(static_cast<double>(block->correct_gain()), block->rows());
        break;
      case v1::Gate::ABSOLUTE_ERROR:
        out[0].add(block->absolute_gain(), block->rows());
        break;
      default:
        out[0].add(block->loss_gain(), block->rows());
    }
  }
  return out;
}

// Every value of the standard's engine is laid down, and so is every resample.
class Draw {
 public:
  size_t operator()(size_t below) { return static_cast<size_t>((uint64_t{engine_()} * below) >> 32); }

 private:
  std::mt19937 engine_{5489};
};

}  // namespace

Resampled::Resampled(std::vector<double> gains) : gains_(std::move(gains)) {
  CHECK(!gains_.empty(), "a bootstrap has resamples");
  std::sort(gains_.begin(), gains_.end());
}

double Resampled::quantile(double share) const {
  const double at = share * static_cast<double>(gains_.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, gains_.size() - 1);
  return gains_[below] + (at - static_cast<double>(below)) * (gains_[above] - gains_[below]);
}

double Resampled::deviation() const {
  return std::sqrt(variance(gains_));
}

std::optional<Resampled> resample(std::span<const v1::GainBlock* const> blocks, v1::Gate::Metric metric) {
  if (blocks.size() < kBlocksMin) return std::nullopt;
  const std::vector<Ratio> ratios = ratios_of(blocks, metric);
  std::vector<double> wholes;
  for (const Ratio& ratio : ratios) wholes.push_back(ratio.whole());
  if (!std::all_of(wholes.begin(), wholes.end(), [](double whole) { return std::isfinite(whole); }))
    return std::nullopt;
  Draw draw;
  std::vector<size_t> drawn(blocks.size());
  std::vector<double> gains(kResamples);
  for (double& gain : gains) {
    for (size_t& block : drawn) block = draw(blocks.size());
    gain = wholes[0];
    for (size_t i = 0; i < ratios.size(); ++i) {
      double numerator = 0, denominator = 0;
      for (const size_t block : drawn) {
        numerator += ratios[i].gain[block];
        denominator += ratios[i].rows[block];
      }
      // A resample without a class tells nothing of it.
      if (denominator > 0) gain += numerator / denominator - wholes[i];
    }
  }
  return Resampled(std::move(gains));
}

}  // namespace rekindle::registry
