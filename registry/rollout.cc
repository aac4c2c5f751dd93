#include "registry/rollout.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/time.h"
#include "registry/aliases.h"
#include "registry/canary.h"
#include "registry/undo.h"

namespace rekindle::registry {
namespace {

bool in_force(const v1::Rollout& rollout, const ServingView& view) {
  return view.nodes > 0 && view.revision >= rollout.revision() && view.ready(rollout.version());
}

VersionView view_of_version(const ServingView& view, uint64_t version) {
  auto found = view.versions.find(version);
  return found == view.versions.end() ? VersionView{} : found->second;
}

RolloutStep promote(const v1::ModelState& model, const v1::JobSpec& spec, const ServingView& view,
                    const RolloutClock& clock) {
  RolloutStep step;
  const v1::Rollout& rollout = model.rollout();
  uint64_t now = champion(model);
  if (now != rollout.version() && now != rollout.from()) {
    std::string reason =
        fmt::format("the champion moved from version {} to {} meanwhile", rollout.from(), now);
    step.rollout = ended(rollout, v1::Rollout::SUPERSEDED, reason, clock);
    publish_plan(step, model, spec);
    return step;
  }
  if (now != rollout.version())
    step.moved = champion_move(model, rollout.version(), "rekindled", rollout.reason(), clock.wall_us);
  step.rollout = ended(rollout, v1::Rollout::PROMOTED, rollout.reason(), clock);
  if (view.nodes > 0 && step.rollout->serving_us() == 0) step.rollout->set_serving_us(clock.wall_us);
  return step;
}

}  // namespace

bool active(const v1::Rollout& rollout) {
  return rollout.state() == v1::Rollout::LOADING_CANARY || rollout.state() == v1::Rollout::BAKING ||
         rollout.state() == v1::Rollout::LOADING_ALL;
}

RolloutStep begin_rollout(const v1::ModelState& model, const v1::JobSpec& spec, uint64_t version, Reach reach,
                          std::string reason, const RolloutClock& clock) {
  RolloutStep step;
  if (active(model.rollout()))
    step.superseded = ended(model.rollout(), v1::Rollout::SUPERSEDED,
                            fmt::format("the rollout of version {} began", version), clock);
  const v1::Version* target = find_version(model, version);
  CHECK(target != nullptr, "a rollout needs a published version");
  if (target->barred()) step.versions.push_back(with_bar(*target, false, ""));

  uint64_t from = champion(model);
  bool canary = reach == Reach::kCanaryFirst && from != 0 && from != version && spec.serve().canary() > 0 &&
                spec.serve().canary() < 1;
  v1::Rollout rollout;
  rollout.set_model(model.name());
  rollout.set_version(version);
  rollout.set_from(from);
  rollout.set_state(canary ? v1::Rollout::LOADING_CANARY : v1::Rollout::LOADING_ALL);
  rollout.set_reason(std::move(reason));
  rollout.set_started_us(clock.wall_us);
  step.rollout = std::move(rollout);
  publish_plan(step, model, spec);
  return step;
}

RolloutStep advance_rollout(const v1::ModelState& model, const v1::JobSpec& spec, const ServingView& view,
                            const RolloutClock& clock) {
  v1::Rollout rollout = model.rollout();
  RolloutStep step;
  // Promoted while no node was there: the first ones that have it end the count from trigger to serving.
  if (rollout.state() == v1::Rollout::PROMOTED && rollout.serving_us() == 0 && in_force(rollout, view)) {
    step.rollout = rollout;
    step.rollout->set_serving_us(clock.wall_us);
    return step;
  }
  if (!active(rollout)) return step;

  VersionView version = view_of_version(view, rollout.version());
  if (version.failed_nodes > 0)
    return undo(model, spec, rollout,
                fmt::format("version {} could not be loaded: {}", rollout.version(), version.failure), clock);
  switch (rollout.state()) {
    case v1::Rollout::LOADING_CANARY:
      if (!in_force(rollout, view)) return step;
      step.rollout = rollout;
      step.rollout->set_state(v1::Rollout::BAKING);
      step.rollout->set_bake_until_us(clock.model_us + from_proto(spec.serve().bake()).count());
      step.rollout->set_serving_us(clock.wall_us);
      return step;
    case v1::Rollout::BAKING: {
      weigh_requests(version, spec.serve(), clock, *rollout.mutable_evidence());
      const std::string against = breach(version, rollout.evidence(), spec.serve(), clock);
      if (!against.empty()) return undo(model, spec, rollout, against, clock);
      if (!clock.may_end_bake || clock.model_us < rollout.bake_until_us()) return step;
      if ((clock.replay ? clock.recorded_answers : version.answered) < spec.serve().min_requests())
        return step;
      if (!held_back(rollout.evidence(), spec.serve()).empty()) return step;
      step.rollout = rollout;
      step.rollout->set_state(v1::Rollout::LOADING_ALL);
      publish_plan(step, model, spec);
      return step;
    }
    default: {
      // With no node there is nobody to wait for. A replay has its nodes: one that is away comes back.
      bool nobody = view.nodes == 0 && !clock.replay;
      return nobody || in_force(rollout, view) ? promote(model, spec, view, clock) : step;
    }
  }
}

Result<RolloutStep> roll_back(const v1::ModelState& model, const v1::JobSpec& spec, uint64_t to,
                              std::string actor, std::string reason, const RolloutClock& clock) {
  uint64_t now = champion(model);
  const v1::Rollout& rollout = model.rollout();
  if (active(rollout) && rollout.version() != now && (to == 0 || to == now)) {
    if (now == 0)
      return failed_precondition(
          fmt::format("version {} is the first of model '{}': there is none to go back to", rollout.version(),
                      model.name()));
    return undo(model, spec, rollout, reason, clock);
  }
  uint64_t target = to != 0 ? to : champion_before(model);
  if (target == 0)
    return failed_precondition(fmt::format(
        "model '{}' has no earlier champion that is not barred; name one with --to", model.name()));
  const v1::Version* version = find_version(model, target);
  if (!version)
    return not_found(fmt::format("model '{}' has no version {}; `rekindle versions {}` lists them",
                                 model.name(), target, model.name()));
  if (target == now)
    return failed_precondition(
        fmt::format("version {} of model '{}' is the champion already", target, model.name()));

  RolloutStep step;
  if (active(rollout))
    step.superseded =
        ended(rollout, v1::Rollout::SUPERSEDED, fmt::format("rolled back to version {}", target), clock);
  if (const v1::Version* left = find_version(model, now))
    step.versions.push_back(with_bar(*left, true, reason));
  if (version->barred()) step.versions.push_back(with_bar(*version, false, ""));
  // The alias goes back at once: a barred version is nobody's champion while nodes catch up.
  step.moved = champion_move(model, target, std::move(actor), reason, clock.wall_us);
  v1::Rollout back;
  back.set_model(model.name());
  back.set_version(target);
  back.set_from(now);
  back.set_state(v1::Rollout::LOADING_ALL);
  back.set_reason(reason);
  back.set_started_us(clock.wall_us);
  step.rollout = std::move(back);
  publish_plan(step, model, spec);
  return step;
}

std::string waiting_for(const v1::ModelState& model, const v1::JobSpec& spec, const ServingView& view) {
  const v1::Rollout& rollout = model.rollout();
  if (!active(rollout)) return {};
  if (rollout.state() == v1::Rollout::BAKING) {
    const VersionView version = view_of_version(view, rollout.version());
    std::string text = fmt::format("the canary of version {} bakes until {} on the model clock",
                                   rollout.version(), format_time(time_from_micros(rollout.bake_until_us())));
    if (version.answered < spec.serve().min_requests())
      text += fmt::format(" and needs {} answers, of which it has {}", spec.serve().min_requests(),
                          version.answered);
    v1::CanaryEvidence evidence = rollout.evidence();
    weigh_requests(version, spec.serve(), {}, evidence);
    if (const std::string held = held_back(evidence, spec.serve()); !held.empty()) text += "; " + held;
    return text;
  }
  if (view.nodes == 0) return fmt::format("version {} waits for a serving node", rollout.version());
  auto found = view.versions.find(rollout.version());
  uint32_t ready = found == view.versions.end() ? 0 : found->second.ready_nodes;
  return fmt::format("version {} is ready on {} of {} nodes; plan revision {} of {} is in force on all",
                     rollout.version(), ready, view.nodes, view.revision, rollout.revision());
}

}  // namespace rekindle::registry
