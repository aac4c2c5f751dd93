#include "core/decide.h"

#include <fmt/format.h>

#include "core/apply.h"
#include "core/decide/draft.h"
#include "core/decide/retired.h"
#include "core/nodes.h"

namespace rekindle::core {
namespace {

// More rounds than any chain of steps has: a rollout's four, a kill, and placements, of which a round does
// hundreds.
constexpr int kRoundsMax = 1'000;

void number_and_apply(State& state, std::vector<v1::Event>& events, std::vector<v1::Event>& done) {
  for (auto& event : events) {
    event.set_seq(state.seq + 1);
    apply(state, event);
    done.push_back(std::move(event));
  }
}

}  // namespace

v1::Event& Draft::add() {
  v1::Event& event = events.emplace_back();
  event.set_time_us(now_us());
  event.set_actor(actor);
  return event;
}

Status no_such_job(std::string_view name) {
  return not_found(
      fmt::format("no job named '{}'; `rekindle list` shows the jobs, `rekindle apply FILE` adds one", name));
}

Status no_such_run(std::string_view id) {
  return not_found(fmt::format("no run named '{}'; `rekindle list` shows the runs", id));
}

Result<Decision> decide(const State& state, const World& world, const Command& command,
                        std::string_view actor) {
  World room;
  Draft draft{state, seen(state, world, room), std::string(actor), {}, {}, {}, {}};
  TRY_STATUS(std::visit([&draft](const auto& one) { return decide_one(draft, one); }, command));
  return Decision{std::move(draft.events), std::move(draft.id), std::move(draft.ids)};
}

Result<Decision> advance(State& state, const World& world, const Command& command, std::string_view actor) {
  Decision decision = TRY(decide(state, world, command, actor));
  std::vector<v1::Event> done;
  number_and_apply(state, decision.events, done);
  const auto* advanced = std::get_if<AdvanceReplay>(&command);
  for (int round = 0;; ++round) {
    CHECK(round < kRoundsMax, "the core does not come to rest");
    World room;
    Draft draft{state, seen(state, world, room), std::string(kSelf), {}, {}, {}, {}};
    follow_up(draft, advanced);
    if (draft.events.empty()) {
      for (auto& [pool, rest] : draft.rests) state.rests[pool] = std::move(rest);
      break;
    }
    number_and_apply(state, draft.events, done);
  }
  decision.events = std::move(done);
  return decision;
}

Status decide_one(Draft& draft, const Tick&) {
  follow_up(draft, nullptr);
  return ok_status();
}

void follow_up(Draft& draft, const AdvanceReplay* advanced) {
  // One kind at a time: what comes later sees what came before.
  kill_overdue(draft);
  if (draft.events.empty()) ask_to_leave(draft);
  if (draft.events.empty()) empty_drained(draft);
  if (draft.events.empty()) step_rollouts(draft, advanced);
  if (draft.events.empty()) place_runs(draft);
  if (draft.events.empty()) make_way(draft);
  if (draft.events.empty()) grow_gang(draft);
  if (draft.events.empty()) retire_runs(draft);
}

}  // namespace rekindle::core
