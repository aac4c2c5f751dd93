#include "trainer/publish/judge.h"

#include "base/faults/crash_point.h"
#include "trainer/publish/evaluate.h"
#include "trainer/publish/probe.h"
#include "trainer/refusal.h"

namespace rekindle::trainer {

Result<v1::Outcome> judge_and_publish(Context& context, const RunRows& rows,
                                      const models::Predictor& candidate, VersionFiles files) {
  context.reporter.phase(v1::PHASE_SCORE);
  const auto& plan = context.plan;
  const auto& holdout = rows.holdout;
  auto judged = score_window(context.collectives, candidate, holdout.rows);
  if (!judged.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, judged.status().within("the holdout"));
  const std::vector<double> candidate_scores = std::move(judged->values);
  const dataio::LabelRule rule(plan.spec().data().label());
  std::vector<double> champion_scores;
  if (!plan.champion_manifest().empty()) {
    auto champion = models::load_predictor(context.store, plan.champion_manifest(), predictor_options(plan));
    const dataio::LabelRule theirs(champion.ok() ? (*champion)->card().label() : v1::Label());
    auto loaded =
        agreed(context.collectives, champion.ok() ? check_goes_on(rule, theirs) : champion.status());
    const std::string who =
        "the champion, version " + std::to_string(plan.champion_version()) + ", cannot be compared with";
    if (!loaded.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, loaded.within(who));
    auto scores = score_window(context.collectives, **champion, holdout.rows);
    if (!scores.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, scores.status().within(who));
    champion_scores = rule.widened(theirs, std::move(scores->values));
  }

  context.reporter.phase(v1::PHASE_PUBLISH);
  v1::Outcome out;
  out.set_kind(v1::Outcome::FINISHED);
  const Answers answers{candidate_scores, champion_scores, rule.constant_answer(rows.world().labels)};
  *out.mutable_evaluation() = evaluate(holdout, answers, plan.spec().data());
  out.set_train_rows(rows.train.size());
  out.set_valid_rows(rows.valid.size());
  out.set_holdout_rows(holdout.size());
  if (!context.first()) return out;
  files.profile = TRY(make_profile(plan.spec().data(), rows.world(), holdout, candidate_scores));
  files.evaluation_parquet = TRY(evaluation_rows(holdout, plan.spec().data(), answers));
  out.set_manifest(TRY(publish(context.store, files)));
  crash_point("version-stored");
  if (plan.spec().gate().has_serving())
    if (auto probe = probe_serving(context, out.manifest()))
      *out.mutable_evaluation()->mutable_serving() = *std::move(probe);
  return out;
}

}  // namespace rekindle::trainer
