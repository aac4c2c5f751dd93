#include "registry/gate/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <optional>
#include <vector>

#include "registry/evidence/bootstrap.h"
#include "registry/evidence/mcnemar.h"
#include "registry/gate/figures.h"

namespace rekindle::registry {
namespace {

// With which a gain is to be found where "how large a gain can so many rows show" is asked.
constexpr double kPower = 0.8;

// Point of the normal law that is exceeded with this chance.
double normal_point(double chance) {
  return boost::math::quantile(boost::math::complement(boost::math::normal(), chance));
}

const char* constant_words(v1::Gate::Metric metric, const v1::Evaluation& evaluation) {
  if (metric == v1::Gate::SQUARED_ERROR || metric == v1::Gate::ABSOLUTE_ERROR) return "the training mean's";
  return evaluation.constant_size() > 1 ? "the class shares'" : "the constant rate's";
}

// How a mean gain over the champion may stray.
struct Spread {
  double low = 0, high = 0;  // 95 %
  double deviation = 0;
  double lower = 0;  // bound that the true gain lies above but for a chance of gate.false_passes
};

// Of independent rows.
Spread spread_of_rows(const v1::SliceSums& sums) {
  const auto n = static_cast<double>(sums.rows());
  const double mean = sums.gain_sum() / n;
  if (n < 2) return {mean, mean, 0, mean};
  const double variance = std::max(0.0, (sums.gain_square_sum() - n * mean * mean) / (n - 1));
  const double deviation = std::sqrt(variance / n), half = normal_point(0.025) * deviation;
  return {mean - half, mean + half, deviation, mean};
}

std::optional<Spread> spread_of_blocks(const v1::Gate& gate, const v1::SliceSums& sums) {
  const std::vector<const v1::GainBlock*> blocks(sums.blocks().pointer_begin(), sums.blocks().pointer_end());
  const std::optional<Resampled> gains = resample(blocks, gate.metric());
  if (!gains) return std::nullopt;
  return Spread{gains->quantile(0.025), gains->quantile(0.975), gains->deviation(),
                gains->quantile(gate.false_passes())};
}

class Comparison {
 public:
  Comparison(const v1::Gate& gate, const v1::SliceSums& sums, v1::Verdict& verdict)
      : gate_(gate), sums_(sums), verdict_(verdict), figures_(figures_of(gate.metric(), sums)) {}

  v1::GateCheck against(double bar, const char* whose, bool champion) {
    const double gain = figures_.gain_over(bar);
    verdict_.set_gain(gain);
    const double margin = champion ? gate_.margin() : 0;
    check_.set_value(gain);
    check_.set_limit(margin);
    check_.set_rows(sums_.rows());
    words_ = fmt::format("{} {:.4f} against {} {:.4f} on {} holdout rows: gain {:+.4f}", figures_.name,
                         figures_.candidate, whose, bar, sums_.rows(), gain);
    if (champion) find_spread();
    if (margin != 0) words_ += fmt::format(", margin {:+.4f}", margin);
    if (champion && gate_.test() == v1::Gate::BOOTSTRAP) return by_bootstrap(margin);
    if (champion && gate_.test() == v1::Gate::MCNEMAR) return by_mcnemar();
    // With a margin of nothing, an equal candidate is no gain.
    check_.set_name("mean gain");
    const bool pass = margin == 0 ? gain > 0 : gain >= margin;
    return pass ? ended(v1::GateCheck::PASSED, "") : ended(v1::GateCheck::FAILED, "; not better");
  }

 private:
  void find_spread() {
    spread_ = spread_of_blocks(gate_, sums_);
    std::optional<Spread> shown = spread_;
    if (!shown && figures_.paired) shown = spread_of_rows(sums_);
    if (!shown) return;
    verdict_.set_gain_low(shown->low);
    verdict_.set_gain_high(shown->high);
    words_ += fmt::format(", 95 % interval {:+.4f} to {:+.4f}", shown->low, shown->high);
    if (shown->deviation > 0 && gate_.false_passes() > 0)
      verdict_.set_detectable_gain((normal_point(gate_.false_passes()) + normal_point(1 - kPower)) *
                                   shown->deviation);
  }

  v1::GateCheck by_bootstrap(double margin) {
    check_.set_name("bootstrap");
    if (!spread_)
      return ended(
          v1::GateCheck::MISSING,
          fmt::format("; the evaluation has {} blocks of event time that say something, too few to draw from",
                      sums_.blocks_size()));
    check_.set_value(spread_->lower);
    words_ += fmt::format(", at least {:+.4f} but for a chance of {:g} %", spread_->lower,
                          100 * gate_.false_passes());
    return proved(margin == 0 ? spread_->lower > 0 : spread_->lower >= margin);
  }

  v1::GateCheck by_mcnemar() {
    check_.set_name("mcnemar");
    const Discordant pairs{sums_.candidate_only(), sums_.champion_only()};
    // Equal answers everywhere have no discordant rows; then neither has more right ones.
    const double p = mcnemar_p(pairs);
    if (const auto gain = mcnemar_detectable(pairs, sums_.rows(), gate_.false_passes(), kPower))
      verdict_.set_detectable_gain(*gain);
    else
      verdict_.clear_detectable_gain();
    check_.set_value(p);
    check_.set_limit(gate_.false_passes());
    words_ +=
        fmt::format(", right alone on {} rows against {}: p {:.4g}", pairs.candidate, pairs.champion, p);
    return proved(p <= gate_.false_passes());
  }

  v1::GateCheck proved(bool pass) {
    if (pass) return ended(v1::GateCheck::PASSED, "");
    if (!verdict_.has_detectable_gain())
      return ended(v1::GateCheck::FAILED, "; not proved, and so few differing answers can prove nothing");
    return ended(v1::GateCheck::FAILED,
                 fmt::format("; not proved: so many rows show a gain of {:.4f} four times in five",
                             verdict_.detectable_gain()));
  }

  v1::GateCheck ended(v1::GateCheck::Result result, const std::string& why) {
    check_.set_result(result);
    check_.set_text(words_ + why);
    return check_;
  }

  const v1::Gate& gate_;
  const v1::SliceSums& sums_;
  v1::Verdict& verdict_;
  const Figures figures_;
  std::optional<Spread> spread_;  // in blocks
  std::string words_;
  v1::GateCheck check_;
};

v1::GateCheck no_evidence(std::string why) {
  v1::GateCheck check;
  check.set_name("comparison");
  check.set_result(v1::GateCheck::MISSING);
  check.set_text(std::move(why));
  return check;
}

}  // namespace

v1::GateCheck compare(const v1::Gate& gate, const v1::Evaluation& evaluation, bool has_champion,
                      v1::Verdict& verdict) {
  const v1::SliceSums& sums = *whole_of(evaluation);
  const Figures figures = figures_of(gate.metric(), sums);
  const bool champion = has_champion && gate.beat() != v1::Gate::CONSTANT;
  const char* whose = champion ? "the champion's" : constant_words(gate.metric(), evaluation);
  const double bar = champion ? figures.champion : figures.constant;
  if (!std::isfinite(bar))
    return no_evidence(fmt::format("{} {} on the same rows is not a number: there is nothing to compare with",
                                   whose, figures.name));
  if (champion && sums.champion_unsound() != 0)
    return no_evidence(
        fmt::format("the champion gave no answer to {} of {} holdout rows: there is nothing to compare "
                    "with",
                    sums.champion_unsound(), sums.rows()));
  if (champion)
    if (const std::string wrong = paired_contradiction(sums); !wrong.empty())
      return no_evidence("the evaluation contradicts itself: " + wrong);
  return Comparison(gate, sums, verdict).against(bar, whose, champion);
}

}  // namespace rekindle::registry
