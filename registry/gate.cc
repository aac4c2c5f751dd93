#include "registry/gate.h"

#include <fmt/format.h>

#include <cmath>

#include "registry/gate/compare.h"
#include "registry/gate/figures.h"
#include "registry/gate/limits.h"

namespace rekindle::registry {
namespace {

v1::Verdict with(v1::Verdict verdict, v1::Verdict::Kind kind, std::string reason) {
  verdict.set_kind(kind);
  verdict.set_reason(std::move(reason));
  return verdict;
}

// The absolute rule.
v1::GateCheck check_limit(const v1::Gate& gate, const Figures& figures, const v1::SliceSums& sums) {
  const bool within =
      figures.more_is_better ? figures.candidate >= gate.limit() : figures.candidate <= gate.limit();
  v1::GateCheck check;
  check.set_name("limit");
  check.set_result(within ? v1::GateCheck::PASSED : v1::GateCheck::FAILED);
  check.set_value(figures.candidate);
  check.set_limit(gate.limit());
  check.set_rows(sums.rows());
  check.set_text(fmt::format("{} {:.4f} on {} holdout rows {} the limit {:.4f}", figures.name,
                             figures.candidate, sums.rows(), within ? "meets" : "misses", gate.limit()));
  return check;
}

// What the checks come to. What they say that passed goes without saying, but for the comparison.
v1::Verdict decided(v1::Verdict verdict, const std::string& comparison, bool approve) {
  std::string failed, missing, unjudged;
  const auto say = [](std::string& list, const std::string& text) {
    list += (list.empty() ? "" : "; ") + text;
  };
  for (const v1::GateCheck& check : verdict.checks()) {
    if (check.result() == v1::GateCheck::FAILED) say(failed, check.text());
    if (check.result() == v1::GateCheck::MISSING) say(missing, check.text());
    if (check.result() == v1::GateCheck::NOT_JUDGED) say(unjudged, check.text());
  }
  if (!failed.empty()) return with(std::move(verdict), v1::Verdict::REJECT, failed);
  if (!missing.empty()) return with(std::move(verdict), v1::Verdict::HOLD, missing);
  std::string words = comparison;
  if (!unjudged.empty()) say(words, unjudged);
  if (!approve) return with(std::move(verdict), v1::Verdict::PASS, words);
  return with(std::move(verdict), v1::Verdict::HOLD,
              words + "; better, and the spec asks for a person's approval");
}

}  // namespace

v1::Verdict judge(const v1::Gate& gate, const v1::Evaluation& evaluation, bool has_champion) {
  v1::Verdict verdict;
  const v1::SliceSums* sums = whole_of(evaluation);
  if (!sums)
    return with(verdict, v1::Verdict::HOLD,
                "the run reported no evaluation of the holdout: nothing can be decided");
  verdict.set_rows(sums->rows());
  if (sums->rows() <= 0 || static_cast<uint64_t>(sums->rows()) < gate.min_rows())
    return with(
        verdict, v1::Verdict::HOLD,
        fmt::format("{} labelled holdout rows; the gate needs {} to decide", sums->rows(), gate.min_rows()));
  if (const std::string wrong = contradiction(*sums); !wrong.empty())
    return with(verdict, v1::Verdict::HOLD, "the evaluation contradicts itself: " + wrong);
  const bool auroc = gate.metric() == v1::Gate::AUROC;
  if (auroc && one_class(*sums))
    return with(verdict, v1::Verdict::HOLD,
                fmt::format("all {} holdout rows have the same label: AUROC is undefined", sums->rows()));

  const Figures figures = figures_of(gate.metric(), *sums);
  verdict.set_candidate(figures.candidate);
  verdict.set_constant(figures.constant);
  if (has_champion) verdict.set_champion(figures.champion);
  if (sums->candidate_unsound() != 0)
    return with(
        verdict, v1::Verdict::REJECT,
        fmt::format("the candidate's answers to {} of {} holdout rows are not finite, or no probabilities",
                    sums->candidate_unsound(), sums->rows()));
  const bool share = auroc || gate.metric() == v1::Gate::ACCURACY;
  if (!std::isfinite(verdict.candidate()) || verdict.candidate() < 0 || (share && verdict.candidate() > 1))
    return with(verdict, v1::Verdict::REJECT,
                fmt::format("the candidate's {} on {} holdout rows is {}: not a number that it can have",
                            figures.name, sums->rows(), verdict.candidate()));

  if (gate.has_limit()) *verdict.add_checks() = check_limit(gate, figures, *sums);
  const v1::GateCheck comparison = compare(gate, evaluation, has_champion, verdict);
  *verdict.add_checks() = comparison;
  for (v1::GateCheck& check : check_limits(gate, evaluation, has_champion))
    *verdict.add_checks() = std::move(check);
  return decided(std::move(verdict), comparison.text(), gate.approve());
}

}  // namespace rekindle::registry
