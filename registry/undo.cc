#include "registry/undo.h"

#include "registry/aliases.h"

namespace rekindle::registry {

v1::AliasMove champion_move(const v1::ModelState& model, uint64_t to, std::string actor, std::string reason,
                            int64_t now_us) {
  v1::AliasMove move;
  move.set_model(model.name());
  move.set_alias(std::string(kChampion));
  move.set_from(champion(model));
  move.set_to(to);
  move.set_time_us(now_us);
  move.set_actor(std::move(actor));
  move.set_reason(std::move(reason));
  return move;
}

v1::Version with_bar(const v1::Version& version, bool barred, const std::string& reason) {
  v1::Version changed = version;
  changed.set_barred(barred);
  changed.set_barred_reason(barred ? reason : "");
  return changed;
}

v1::Rollout ended(v1::Rollout rollout, v1::Rollout::State state, const std::string& reason,
                  const RolloutClock& clock) {
  rollout.set_state(state);
  rollout.set_reason(reason);
  rollout.set_ended_us(clock.wall_us);
  return rollout;
}

void publish_plan(RolloutStep& step, const v1::ModelState& model, const v1::JobSpec& spec) {
  step.plan = changed_plan(model, spec, *step.rollout);
  step.rollout->set_revision(step.plan ? step.plan->revision() : model.plan().revision());
}

RolloutStep undo(const v1::ModelState& model, const v1::JobSpec& spec, const v1::Rollout& rollout,
                 const std::string& reason, const RolloutClock& clock) {
  RolloutStep step;
  if (champion(model) == rollout.version()) {
    if (rollout.reason() == reason) return step;
    step.rollout = rollout;
    step.rollout->set_reason(reason);
    return step;
  }
  if (const v1::Version* version = find_version(model, rollout.version()))
    step.versions.push_back(with_bar(*version, true, reason));
  step.rollout = ended(rollout, v1::Rollout::ROLLED_BACK, reason, clock);
  publish_plan(step, model, spec);
  return step;
}

RolloutStep undo_promotion(const v1::ModelState& model, const v1::JobSpec& spec, const v1::Rollout& rollout,
                           const std::string& reason, const RolloutClock& clock) {
  const v1::Version* before = find_version(model, rollout.from());
  if (before == nullptr || before->barred()) return {};
  Result<RolloutStep> back = roll_back(model, spec, rollout.from(), "rekindled", reason, clock);
  if (!back.ok()) return {};
  for (v1::Version& left : back->versions)
    if (left.number() == rollout.version()) left.set_proved_worse(true);
  back->superseded = rollout;
  return std::move(back).value();
}

}  // namespace rekindle::registry
