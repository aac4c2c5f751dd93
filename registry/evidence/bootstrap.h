// Paired bootstrap in blocks of event time: how sure is a mean gain, when rows of one hour resemble each
// other? Whole blocks are drawn with replacement, from bounded evidence (registry knows no rows). Pure, with
// a fixed seed: the same evidence gives the same interval on every machine.
//
// Of an AUROC the blocks hold each row's part in it, and what is drawn is the sum of these parts (Hajek's
// projection, as in DeLong's variance): to first order the bootstrap that ranks each sample anew, which needs
// all rows.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::registry {

inline constexpr int kResamples = 10'000;
inline constexpr int kBlocksMin = 8;  // the quantiles of fewer say little

// Gains of the metric, sorted: one per resample.
class Resampled {
 public:
  explicit Resampled(std::vector<double> gains);
  // Linear between order statistics, as NumPy's percentile.
  double quantile(double share) const;
  double deviation() const;  // standard error of the gain

 private:
  std::vector<double> gains_;
};

// Nothing where the blocks do not say: too few, or for AUROC none of a class.
std::optional<Resampled> resample(std::span<const v1::GainBlock* const> blocks, v1::Gate::Metric metric);

}  // namespace rekindle::registry
