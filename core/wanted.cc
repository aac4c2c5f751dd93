#include "core/wanted.h"

#include <fmt/format.h>

#include "core/leaving.h"
#include "core/schedule.h"

namespace rekindle::core {

std::vector<Effect> wanted(const State& state, Time now) {
  std::vector<Effect> effects;
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    if (const v1::Attempt* attempt = live_attempt(run)) {
      if (attempt->state() == v1::Attempt::PLACED)
        effects.push_back(WritePlanAndLaunch{id, attempt->number()});
      effects.push_back(WatchAttempt{id, attempt->number()});
      const bool there = attempt->state() == v1::Attempt::STARTED || attempt->queues();
      if (there && attempt->kill_requested())
        effects.push_back(SignalAttempt{id, attempt->number(), v1::AttemptSignalled::KILL});
      else if (attempt->state() == v1::Attempt::STARTED && attempt->yield_requested())
        effects.push_back(SignalAttempt{id, attempt->number(), v1::AttemptSignalled::YIELD});
    }
    if (run.state() == v1::JUDGING && verdict_due(state, run, now))
      effects.push_back(VerifyArtifacts{id, run.outcome().manifest()});
  }
  return effects;
}

std::string effect_key(const Effect& effect) {
  struct Key {
    std::string operator()(const WritePlanAndLaunch& e) {
      return fmt::format("launch/{}/{}", e.run.value, e.attempt);
    }
    std::string operator()(const WatchAttempt& e) {
      return fmt::format("watch/{}/{}", e.run.value, e.attempt);
    }
    std::string operator()(const SignalAttempt& e) {
      return fmt::format("{}/{}/{}", e.signal == v1::AttemptSignalled::KILL ? "kill" : "yield", e.run.value,
                         e.attempt);
    }
    std::string operator()(const VerifyArtifacts& e) {
      return fmt::format("verify/{}/{}", e.run.value, e.manifest);
    }
  };
  return std::visit(Key{}, effect);
}

std::optional<Time> next_wake(const State& state, const place::Cluster& cluster, Time now) {
  std::optional<Time> wake;
  auto at = [&](int64_t time_us) {
    Time time = time_from_micros(time_us);
    if (time > now && (!wake || time < *wake)) wake = time;
  };
  // In order of time: the first that lies ahead is the next.
  const auto delayed = state.delayed.upper_bound({to_micros(now) + 1, RunId()});
  if (delayed != state.delayed.end()) at(delayed->first);
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt) continue;
    at(ask_us(state, run, *attempt));
    at(kill_us(state, run, *attempt));
  }
  if (const std::optional<Growth> due = growth(state, cluster)) at(due->due_us);
  for (const auto& [name, model] : state.models)
    if (model.replay_session().empty() && model.rollout().state() == v1::Rollout::BAKING)
      at(model.rollout().bake_until_us());
  return wake;
}

}  // namespace rekindle::core
