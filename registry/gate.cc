#include "registry/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rekindle::registry {
namespace {

// Two-sided 95 % point of the normal law.
constexpr double kNormal95 = 1.959964;

v1::Verdict with(v1::Verdict verdict, v1::Verdict::Kind kind, std::string reason) {
  verdict.set_kind(kind);
  verdict.set_reason(std::move(reason));
  return verdict;
}

const v1::SliceSums* whole(const v1::Evaluation& evaluation) {
  for (const auto& slice : evaluation.slices())
    if (slice.slice().empty()) return &slice;
  return nullptr;
}

// Sums that say of themselves that they are wrong; empty when they are in order.
std::string contradiction(const v1::SliceSums& sums, bool has_champion) {
  if (sums.positives() < 0 || sums.positives() > sums.rows())
    return fmt::format("{} positives in {} rows", sums.positives(), sums.rows());
  const auto rows = static_cast<double>(sums.rows());
  for (const double correct : {sums.candidate_correct(), sums.champion_correct(), sums.constant_correct()})
    if (!(correct >= 0 && correct <= rows))
      return fmt::format("{} right answers in {} rows", correct, sums.rows());
  if (!has_champion) return {};
  double difference = sums.champion_log_loss_sum() - sums.candidate_log_loss_sum();
  double scale = std::abs(sums.champion_log_loss_sum()) + std::abs(sums.candidate_log_loss_sum()) + 1;
  if (!(std::abs(difference - sums.gain_sum()) <= 1e-6 * scale))
    return fmt::format("the paired gains sum to {:.6g}, the two losses differ by {:.6g}", sums.gain_sum(),
                       difference);
  if (!(sums.gain_square_sum() >= 0)) return "the sum of squared gains is negative or not a number";
  return {};
}

// One metric of candidate, champion and constant answer on the same rows.
struct Figures {
  const char* name;
  double candidate = 0;
  double champion = 0;
  double constant = 0;
  bool more_is_better = false;
  bool paired = false;  // the sums of paired gains are this metric's
};

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

const char* constant_words(v1::Gate::Metric metric, const v1::Evaluation& evaluation) {
  if (metric == v1::Gate::SQUARED_ERROR || metric == v1::Gate::ABSOLUTE_ERROR) return "the training mean's";
  return evaluation.constant_size() > 1 ? "the class shares'" : "the constant rate's";
}

struct Interval {
  double low = 0;
  double high = 0;
};

Interval paired_interval(const v1::SliceSums& sums) {
  double n = static_cast<double>(sums.rows());
  double mean = sums.gain_sum() / n;
  if (n < 2) return {mean, mean};
  double variance = std::max(0.0, (sums.gain_square_sum() - n * mean * mean) / (n - 1));
  double half = kNormal95 * std::sqrt(variance / n);
  return {mean - half, mean + half};
}

}  // namespace

v1::Verdict judge(const v1::Gate& gate, const v1::Evaluation& evaluation, bool has_champion) {
  v1::Verdict verdict;
  const v1::SliceSums* sums = whole(evaluation);
  if (!sums)
    return with(verdict, v1::Verdict::HOLD,
                "the run reported no evaluation of the holdout: nothing can be decided");
  verdict.set_rows(sums->rows());
  if (sums->rows() <= 0 || static_cast<uint64_t>(sums->rows()) < gate.min_rows())
    return with(
        verdict, v1::Verdict::HOLD,
        fmt::format("{} labelled holdout rows; the gate needs {} to decide", sums->rows(), gate.min_rows()));
  std::string wrong = contradiction(*sums, false);
  if (!wrong.empty()) return with(verdict, v1::Verdict::HOLD, "the evaluation contradicts itself: " + wrong);

  const bool auroc = gate.metric() == v1::Gate::AUROC;
  if (auroc && (sums->positives() == 0 || sums->positives() == sums->rows()))
    return with(verdict, v1::Verdict::HOLD,
                fmt::format("all {} holdout rows have the same label: AUROC is undefined", sums->rows()));
  const Figures figures = figures_of(gate.metric(), *sums);
  const char* name = figures.name;

  verdict.set_candidate(figures.candidate);
  verdict.set_constant(figures.constant);
  if (has_champion) verdict.set_champion(figures.champion);
  const bool share = auroc || gate.metric() == v1::Gate::ACCURACY;
  if (!std::isfinite(verdict.candidate()) || verdict.candidate() < 0 || (share && verdict.candidate() > 1))
    return with(verdict, v1::Verdict::REJECT,
                fmt::format("the candidate's {} on {} holdout rows is {}: not a number that it can have",
                            name, sums->rows(), verdict.candidate()));

  // The absolute rule.
  if (gate.has_limit()) {
    bool within =
        figures.more_is_better ? verdict.candidate() >= gate.limit() : verdict.candidate() <= gate.limit();
    if (!within)
      return with(verdict, v1::Verdict::REJECT,
                  fmt::format("{} {:.4f} on {} holdout rows misses the limit {:.4f}", name,
                              verdict.candidate(), sums->rows(), gate.limit()));
  }

  // The relative rule: against the champion, or the constant answer where there is none.
  const bool against_champion = has_champion && gate.beat() != v1::Gate::CONSTANT;
  const char* over = against_champion ? "the champion's" : constant_words(gate.metric(), evaluation);
  double bar = against_champion ? verdict.champion() : verdict.constant();
  if (!std::isfinite(bar))
    return with(
        verdict, v1::Verdict::HOLD,
        fmt::format("{} {} on the same rows is not a number: there is nothing to compare with", over, name));
  if (against_champion) {
    wrong = contradiction(*sums, true);
    if (!wrong.empty())
      return with(verdict, v1::Verdict::HOLD, "the evaluation contradicts itself: " + wrong);
  }
  double gain = figures.more_is_better ? verdict.candidate() - bar : bar - verdict.candidate();
  verdict.set_gain(gain);
  std::string interval;
  if (against_champion && figures.paired) {
    Interval paired = paired_interval(*sums);
    verdict.set_gain_low(paired.low);
    verdict.set_gain_high(paired.high);
    interval = fmt::format(", 95 % interval {:+.4f} to {:+.4f}", paired.low, paired.high);
  }
  double margin = against_champion ? gate.margin() : 0;
  // With a margin of nothing, an equal candidate is no gain.
  bool pass = margin == 0 ? gain > 0 : gain >= margin;
  std::string words = fmt::format("{} {:.4f} against {} {:.4f} on {} holdout rows: gain {:+.4f}{}", name,
                                  verdict.candidate(), over, bar, sums->rows(), gain, interval);
  if (margin != 0) words += fmt::format(", margin {:+.4f}", margin);
  if (!pass) return with(verdict, v1::Verdict::REJECT, words + "; not better");
  if (gate.approve())
    return with(verdict, v1::Verdict::HOLD, words + "; better, and the spec asks for a person's approval");
  return with(verdict, v1::Verdict::PASS, words);
}

}  // namespace rekindle::registry
