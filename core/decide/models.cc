// Models: publication, aliases, rollouts, rollback, freeze.
#include <fmt/format.h>

#include <algorithm>

#include "core/apply.h"
#include "core/decide/draft.h"
#include "core/windows.h"
#include "drift/policy.h"
#include "registry/aliases.h"

namespace rekindle::core {

ModelDraft::ModelDraft(Draft& draft, std::string_view name) : draft_(draft) {
  const v1::ModelState* model = find_model(draft.state, name);
  CHECK(model != nullptr, "a model is changed only where it exists");
  model_ = *model;
  if (const v1::Job* job = find_job(draft.state, name)) spec_ = job->spec();
}

registry::RolloutClock ModelDraft::clock(bool may_end_bake) const {
  registry::RolloutClock clock;
  clock.wall_us = draft_.now_us();
  clock.replay = !model_.replay_session().empty();
  clock.model_us = clock.replay ? model_.replay_clock_us() : clock.wall_us;
  clock.may_end_bake = may_end_bake;
  return clock;
}

void ModelDraft::record(v1::Event event) {
  apply_to_model(model_, event);
  event.set_time_us(draft_.now_us());
  event.set_actor(draft_.actor);
  draft_.events.push_back(std::move(event));
}

void ModelDraft::alias_moved(const v1::AliasMove& move) {
  v1::Event event;
  *event.mutable_alias_moved() = move;
  record(std::move(event));
}

void ModelDraft::record(const registry::RolloutStep& step) {
  auto rollout = [this](const v1::Rollout& changed) {
    v1::Event event;
    *event.mutable_rollout_changed() = changed;
    record(std::move(event));
  };
  if (step.superseded) rollout(*step.superseded);
  for (const auto& version : step.versions) {
    v1::Event event;
    *event.mutable_version_barred() = version;
    record(std::move(event));
  }
  if (step.moved) alias_moved(*step.moved);
  if (step.rollout) rollout(*step.rollout);
  if (step.plan) {
    v1::Event event;
    *event.mutable_plan_set() = *step.plan;
    record(std::move(event));
  }
}

void ModelDraft::refresh_plan() {
  std::optional<v1::ServingPlan> plan = registry::changed_plan(model_, spec_, model_.rollout());
  if (!plan) return;
  v1::Event event;
  *event.mutable_plan_set() = *plan;
  record(std::move(event));
}

namespace {

// Time of all its ranks together. In a replay what a run is said to take, so that a fast machine spends no
// other budget than a slow one.
double rank_seconds(const v1::ModelState& model, const v1::Run& run, int64_t now_us) {
  const bool replay = !model.replay_session().empty();
  double spent_us = 0;
  for (const v1::Attempt& attempt : run.attempts()) {
    const int64_t from = attempt.gang().started_us() != 0 ? attempt.gang().started_us() : attempt.placed_us();
    const int64_t until = attempt.ended_us() != 0 ? attempt.ended_us() : now_us;
    const int64_t took = replay ? model.replay_run_takes_us() : std::max<int64_t>(0, until - from);
    spent_us = (replay ? 0 : spent_us) + static_cast<double>(took) * world_of(attempt);
  }
  return spent_us / 1e6;
}

}  // namespace

void ModelDraft::after_run(const v1::Run& run, v1::RunState state) {
  if (!run.publish()) return;
  // The policy reads these fields alone; a run's data list is long.
  v1::Run ended;
  ended.set_id(run.id());
  ended.set_publish(run.publish());
  ended.set_cause(run.cause());
  ended.set_state(state);
  v1::DecisionState decision =
      drift::after_run(spec_.retrain(), model_.decision(), ended, clock(false).model_us,
                       rank_seconds(model_, run, draft_.now_us()));
  if (decision.active_run().empty()) {
    // A held run waits for a person, aside; another one that is on its way goes on being the flight.
    // Ids begin with the job's name.
    const std::string prefix = run.job() + "-";
    const auto& active = draft_.state.flights;
    for (auto id = active.lower_bound(RunId(prefix)); id != active.end() && id->value.starts_with(prefix);
         ++id) {
      const v1::Run& other = draft_.state.runs.at(*id);
      if (other.job() == run.job() && other.id() != run.id() && other.state() != v1::HELD) {
        decision.set_active_run(other.id());
        break;
      }
    }
  }
  decision.clear_last_window();
  v1::Event event;
  event.mutable_decision_changed()->set_model(model_.name());
  *event.mutable_decision_changed()->mutable_decision() = std::move(decision);
  record(std::move(event));
}

namespace {

// The candidate is a version that the model has: it is rolled out again, and nothing is published.
void reuse(Draft& draft, ModelDraft& edit, const v1::Run& run, uint64_t number) {
  auto* ended = draft.add().mutable_run_ended();
  ended->set_run(run.id());
  ended->set_state(v1::COMPLETED);
  ended->set_reason(fmt::format("version {} fits the present and serves again: nothing was trained", number));
  edit.after_run(run, v1::PUBLISHED);
  edit.record(registry::begin_rollout(edit.model(), edit.spec(), number, registry::Reach::kCanaryFirst,
                                      fmt::format("found to fit by run {}", run.id()), edit.clock(false)));
}

}  // namespace

void publish(Draft& draft, const v1::Run& run) {
  ModelDraft edit(draft, run.job());
  if (const v1::Version* known = registry::version_of_manifest(edit.model(), run.outcome().manifest()))
    return reuse(draft, edit, run, known->number());
  CHECK(!registry::version_of_run(edit.model(), run.id()), "a run publishes exactly one version");
  const uint64_t number = registry::next_version(edit.model());
  v1::Event published;
  auto* version = published.mutable_version_published();
  version->set_model(run.job());
  version->set_number(number);
  version->set_run(run.id());
  version->set_manifest(run.outcome().manifest());
  version->set_published_us(draft.now_us());
  // An old import is as old as its newest row, whenever it is trained on.
  version->set_as_of_us(std::min(run.as_of_us(), known_at_us(spec_of(draft.state, run), run.windows())));
  edit.record(std::move(published));

  auto* ended = draft.add().mutable_run_ended();
  ended->set_run(run.id());
  ended->set_state(v1::PUBLISHED);
  ended->set_version(number);
  ended->set_reason(fmt::format("published as version {}", number));
  edit.after_run(run, v1::PUBLISHED);

  const std::string reason = fmt::format("published by run {}", run.id());
  registry::AliasRequest candidate{std::string(registry::kCandidate), number, std::nullopt, draft.actor,
                                   reason};
  auto move = registry::move_alias(edit.model(), candidate, draft.now_us());
  CHECK(move.ok() && *move, "a new version can be the candidate");
  edit.alias_moved(**move);
  edit.record(registry::begin_rollout(edit.model(), edit.spec(), number, registry::Reach::kCanaryFirst,
                                      reason, edit.clock(false)));
}

void step_rollouts(Draft& draft, const AdvanceReplay* advanced) {
  static const registry::ServingView kNobody;
  for (const auto& [name, model] : draft.state.models) {
    const bool promoted_unseen =
        model.rollout().state() == v1::Rollout::PROMOTED && model.rollout().serving_us() == 0;
    if (!registry::active(model.rollout()) && !promoted_unseen) continue;
    ModelDraft edit(draft, name.value);
    auto view = draft.world.serving.find(name.value);
    const bool replay = !model.replay_session().empty();
    const bool clock_moved = advanced && advanced->request.model() == name.value;
    registry::RolloutClock clock = edit.clock(!model.frozen() && (!replay || clock_moved));
    if (clock_moved) clock.recorded_answers = advanced->canary_answers;
    edit.record(registry::advance_rollout(edit.model(), edit.spec(),
                                          view == draft.world.serving.end() ? kNobody : view->second, clock));
  }
}

Status decide_one(Draft& draft, const SetAlias& command) {
  const v1::SetAliasRequest& request = command.request;
  if (!find_model(draft.state, request.model())) return no_such_job(request.model());
  ModelDraft edit(draft, request.model());
  registry::AliasRequest wish{request.alias(), request.version(), std::nullopt, draft.actor,
                              request.reason()};
  if (request.has_expected()) wish.expected = request.expected();
  std::optional<v1::AliasMove> move = TRY(registry::move_alias(edit.model(), wish, draft.now_us()));
  if (request.alias() != registry::kChampion) {
    if (move) edit.alias_moved(*move);
    return ok_status();
  }
  // The champion moves when every live node serves it: a rollout at 100 %.
  if (request.version() == 0)
    return invalid_argument("the champion cannot be removed; point it at another version, or roll back");
  const v1::Rollout& rollout = edit.model().rollout();
  const bool under_way = registry::active(rollout);
  if (!move && !under_way) return ok_status();
  if (under_way && rollout.version() == request.version() && rollout.state() == v1::Rollout::LOADING_ALL)
    return ok_status();
  std::string reason = request.reason().empty() ? "champion set by " + draft.actor : request.reason();
  edit.record(registry::begin_rollout(edit.model(), edit.spec(), request.version(),
                                      registry::Reach::kAllAtOnce, std::move(reason), edit.clock(false)));
  return ok_status();
}

Status decide_one(Draft& draft, const RollBack& command) {
  const v1::RollbackRequest& request = command.request;
  if (!find_model(draft.state, request.model())) return no_such_job(request.model());
  ModelDraft edit(draft, request.model());
  std::string reason = request.reason().empty() ? "rolled back by " + draft.actor : request.reason();
  edit.record(TRY(registry::roll_back(edit.model(), edit.spec(), request.to(), draft.actor, std::move(reason),
                                      edit.clock(false))));
  return ok_status();
}

Status decide_one(Draft& draft, const Freeze& command) {
  const v1::FreezeRequest& request = command.request;
  const v1::ModelState* model = find_model(draft.state, request.model());
  if (!model) return no_such_job(request.model());
  if (model->frozen() == request.frozen() &&
      (!request.frozen() || model->frozen_reason() == request.reason()))
    return ok_status();
  auto* frozen = draft.add().mutable_model_frozen();
  frozen->set_model(request.model());
  frozen->set_frozen(request.frozen());
  if (request.frozen()) frozen->set_reason(request.reason().empty() ? "by " + draft.actor : request.reason());
  return ok_status();
}

}  // namespace rekindle::core
