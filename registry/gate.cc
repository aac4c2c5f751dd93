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
  if (!has_champion) return {};
  double difference = sums.champion_log_loss_sum() - sums.candidate_log_loss_sum();
  double scale = std::abs(sums.champion_log_loss_sum()) + std::abs(sums.candidate_log_loss_sum()) + 1;
  if (!(std::abs(difference - sums.gain_sum()) <= 1e-6 * scale))
    return fmt::format("the paired gains sum to {:.6g}, the two log-losses differ by {:.6g}", sums.gain_sum(),
                       difference);
  if (!(sums.gain_square_sum() >= 0)) return "the sum of squared gains is negative or not a number";
  return {};
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
  const char* name = auroc ? "AUROC" : "log-loss";
  double rows = static_cast<double>(sums->rows());
  if (auroc && (sums->positives() == 0 || sums->positives() == sums->rows()))
    return with(verdict, v1::Verdict::HOLD,
                fmt::format("all {} holdout rows have the same label: AUROC is undefined", sums->rows()));

  verdict.set_candidate(auroc ? sums->candidate_auroc() : sums->candidate_log_loss_sum() / rows);
  verdict.set_constant(auroc ? 0.5 : sums->constant_log_loss_sum() / rows);
  if (has_champion)
    verdict.set_champion(auroc ? sums->champion_auroc() : sums->champion_log_loss_sum() / rows);
  if (!std::isfinite(verdict.candidate()) || verdict.candidate() < 0)
    return with(verdict, v1::Verdict::REJECT,
                fmt::format("the candidate's {} on {} holdout rows is {}: not a number that it can have",
                            name, sums->rows(), verdict.candidate()));

  // The absolute rule.
  if (gate.has_limit()) {
    bool within = auroc ? verdict.candidate() >= gate.limit() : verdict.candidate() <= gate.limit();
    if (!within)
      return with(verdict, v1::Verdict::REJECT,
                  fmt::format("{} {:.4f} on {} holdout rows misses the limit {:.4f}", name,
                              verdict.candidate(), sums->rows(), gate.limit()));
  }

  // The relative rule: against the champion, or the constant rate where there is none.
  const bool against_champion = has_champion && gate.beat() != v1::Gate::CONSTANT;
  const char* over = against_champion ? "the champion's" : "the constant rate's";
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
  double gain = auroc ? verdict.candidate() - bar : bar - verdict.candidate();
  verdict.set_gain(gain);
  std::string interval;
  if (against_champion && !auroc) {
    Interval paired = paired_interval(*sums);
    verdict.set_gain_low(paired.low);
    verdict.set_gain_high(paired.high);
    interval = fmt::format(", 95 % interval {:+.4f} to {:+.4f}", paired.low, paired.high);
  }
  double margin = against_champion ? gate.margin() : 0;
  // With a margin of nothing, an equal candidate is no gain.
  bool pass = margin == 0 ? gain > 0 : gain >= margin;
  std::string figures = fmt::format("{} {:.4f} against {} {:.4f} on {} holdout rows: gain {:+.4f}{}", name,
                                    verdict.candidate(), over, bar, sums->rows(), gain, interval);
  if (margin != 0) figures += fmt::format(", margin {:+.4f}", margin);
  if (!pass) return with(verdict, v1::Verdict::REJECT, figures + "; not better");
  if (gate.approve())
    return with(verdict, v1::Verdict::HOLD, figures + "; better, and the spec asks for a person's approval");
  return with(verdict, v1::Verdict::PASS, figures);
}

}  // namespace rekindle::registry
