#include "registry/gate/figures.h"

#include <fmt/format.h>

#include <cmath>

namespace rekindle::registry {
namespace {

bool near(double a, double b, double scale) {
  return std::abs(a - b) <= 1e-6 * (std::abs(scale) + 1);
}

// Blocks are the same rows once more.
std::string block_contradiction(const v1::SliceSums& sums) {
  if (sums.blocks().empty()) return {};
  int64_t rows = 0, positives = 0, correct = 0;
  double loss = 0;
  for (const v1::GainBlock& block : sums.blocks()) {
    if (block.rows() <= 0 || block.positives() < 0 || block.positives() > block.rows())
      return fmt::format("a block of time has {} positives in {} rows", block.positives(), block.rows());
    rows += block.rows();
    positives += block.positives();
    correct += block.correct_gain();
    loss += block.loss_gain();
  }
  if (rows != sums.rows() || positives != sums.positives())
    return fmt::format("the blocks of time hold {} rows with {} positives, the whole {} with {}", rows,
                       positives, sums.rows(), sums.positives());
  if (correct != sums.candidate_only() - sums.champion_only() ||
      !near(loss, sums.gain_sum(), sums.candidate_log_loss_sum()))
    return "the gains of the blocks of time do not sum to the whole's";
  return {};
}

}  // namespace

const v1::SliceSums* whole_of(const v1::Evaluation& evaluation) {
  for (const auto& slice : evaluation.slices())
    if (slice.slice().empty()) return &slice;
  return nullptr;
}

bool one_class(const v1::SliceSums& sums) {
  return sums.positives() == 0 || sums.positives() == sums.rows();
}

std::string contradiction(const v1::SliceSums& sums) {
  if (sums.positives() < 0 || sums.positives() > sums.rows())
    return fmt::format("{} positives in {} rows", sums.positives(), sums.rows());
  const auto rows = static_cast<double>(sums.rows());
  for (const double correct : {sums.candidate_correct(), sums.champion_correct(), sums.constant_correct()})
    if (!(correct >= 0 && correct <= rows))
      return fmt::format("{} right answers in {} rows", correct, sums.rows());
  return {};
}

std::string paired_contradiction(const v1::SliceSums& sums) {
  const double difference = sums.champion_log_loss_sum() - sums.candidate_log_loss_sum();
  const double scale = std::abs(sums.champion_log_loss_sum()) + std::abs(sums.candidate_log_loss_sum());
  if (!near(difference, sums.gain_sum(), scale))
    return fmt::format("the paired gains sum to {:.6g}, the two losses differ by {:.6g}", sums.gain_sum(),
                       difference);
  if (!(sums.gain_square_sum() >= 0)) return "the sum of squared gains is negative or not a number";
  const int64_t candidate = sums.candidate_only(), champion = sums.champion_only();
  if (candidate < 0 || champion < 0 || candidate + champion > sums.rows())
    return fmt::format("{} and {} rows that one alone got right, of {}", candidate, champion, sums.rows());
  // Evaluations of before do not know them.
  if (candidate + champion > 0 &&
      static_cast<double>(candidate - champion) != sums.candidate_correct() - sums.champion_correct())
    return fmt::format("{} and {} rows that one alone got right, though {} and {} were right in all",
                       candidate, champion, sums.candidate_correct(), sums.champion_correct());
  return block_contradiction(sums);
}

Figures figures_of(v1::Gate::Metric metric, const v1::SliceSums& sums) {
  const auto rows = static_cast<double>(sums.rows());
  switch (metric) {
    case v1::Gate::AUROC:
      return {"AUROC", sums.candidate_auroc(), sums.champion_auroc(), 0.5, true, false};
    case v1::Gate::ACCURACY:
      return {"accuracy",
              sums.candidate_correct() / rows,
              sums.champion_correct() / rows,
              sums.constant_correct() / rows,
              true,
              false};
    case v1::Gate::ABSOLUTE_ERROR:
      return {"absolute error",
              sums.candidate_absolute_sum() / rows,
              sums.champion_absolute_sum() / rows,
              sums.constant_absolute_sum() / rows,
              false,
              false};
    default:
      return {metric == v1::Gate::SQUARED_ERROR ? "squared error" : "log-loss",
              sums.candidate_log_loss_sum() / rows,
              sums.champion_log_loss_sum() / rows,
              sums.constant_log_loss_sum() / rows,
              false,
              true};
  }
}

}  // namespace rekindle::registry
