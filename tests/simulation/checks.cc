// What is checked of a simulated life, after each event and at its end.
#include "core/apply.h"
#include "core/invariants.h"
#include "core/queue.h"
#include "tests/simulation/rules.h"
#include "tests/simulation/simulation.h"

namespace rekindle::core::testing {
void Simulation::check_step(const v1::Event& event) {
  const std::string id = rekindle::core::run_of(event);
  const v1::Run* before = id.empty() ? nullptr : find_run(shadow_, id);
  const v1::RunState from = before ? before->state() : v1::RUN_STATE_UNSPECIFIED;
  check_resize(event);
  check_eviction(event);
  check_seat(event);
  apply(shadow_, event);
  const v1::Run* after = id.empty() ? nullptr : find_run(shadow_, id);
  if (before && after && !legal(from, after->state()) && !event.has_version_published())
    problem(
        fmt::format("{} went from {} to {}", id, v1::RunState_Name(from), v1::RunState_Name(after->state())));
}

// A gang is asked to grow only when nobody waits, and its room has been there for a while.
void Simulation::check_resize(const v1::Event& event) {
  const v1::AttemptSignalled& signalled = event.attempt_signalled();
  if (!signalled.resize()) return;
  for (const RunId& id : active_runs(shadow_)) {
    const v1::Run& run = shadow_.runs.at(id);
    const bool fits = ever_fits(*hosts_.cluster(), shadow_, run);
    if (run.state() == v1::QUEUED && fits)
      problem(fmt::format("{} is asked to grow while {} waits", signalled.run(), id.value));
    for (const auto& attempt : run.attempts())
      if (std::max(attempt.placed_us(), attempt.ended_us()) + Micros(kGrowAfter).count() > event.time_us())
        problem(fmt::format("{} is asked to grow just after {} moved", signalled.run(), id.value));
  }
}

// Who is asked to make way is of lower priority, alive, and asked once.
void Simulation::check_eviction(const v1::Event& event) {
  const std::string& waits = event.attempt_signalled().makes_way_for();
  if (waits.empty()) return;
  const v1::Run& head = shadow_.runs.at(RunId(waits));
  const v1::Run& victim = shadow_.runs.at(RunId(event.attempt_signalled().run()));
  if (head.state() != v1::QUEUED || !spec_of(shadow_, head).preempt())
    problem(waits + " asks for room and may not");
  if (victim.priority() >= head.priority()) problem(victim.id() + " makes way for its equal");
  const v1::Attempt* attempt = live_attempt(victim);
  if (!attempt || !attempt->makes_way_for().empty()) problem(victim.id() + " is asked in vain");
}

// Ranks are placed where the coordinator knows of an open node that carries the labels.
void Simulation::check_seat(const v1::Event& event) {
  if (!event.has_attempt_placed()) return;
  const v1::Run& run = shadow_.runs.at(RunId(event.attempt_placed().run()));
  if (event.attempt_placed().shares().empty()) problem(run.id() + " is placed nowhere");
  for (const v1::NodeShare& share : event.attempt_placed().shares())
    for (const place::Node& node : hosts_.cluster()->at(pool_of(shadow_, run)).nodes) {
      if (node.name != share.node()) continue;
      if (!node.closed.empty())
        problem(fmt::format("{} is placed on {}, which is {}", run.id(), node.name, node.closed));
      if (!place::carries(node, gang_of(shadow_, run).labels))
        problem(run.id() + " is placed on a node without its label");
    }
}

void Simulation::check_budgets() {
  std::vector<std::string> over;
  over_budget(state_, over);
  for (const std::string& what : over) problem(what);
}

// Growing never becomes an end in itself: each time the gang is larger, unless it failed, was at its time
// limit, or others took the room in between.
void Simulation::check_resizes() {
  std::map<std::string, int> resizes;
  int placed = 0;
  for (const auto& event : journal_) {
    if (event.has_attempt_placed()) ++placed;
    if (event.attempt_signalled().resize()) ++resizes[event.attempt_signalled().run()];
  }
  for (const auto& [id, count] : resizes) {
    const v1::Run& run = state_.runs.at(RunId(id));
    int other_ends = 1;
    for (const auto& attempt : run.attempts()) other_ends += !attempt.resize_requested();
    const jobs::RankRange ranks = ranks_wanted(state_, run);
    const int others = placed - run.attempts_size();
    if (count > static_cast<int>(ranks.max - ranks.min) * other_ends + others)
      problem(fmt::format("{} was resized {} times", id, count));
  }
}

void Simulation::check() {
  for (const std::string& broken : broken_invariants(state_, *hosts_.cluster())) problem(broken);
  if (state_.seq != journal_.size()) problem("the state knows events that the journal does not");
  for (const auto& [key, run] : acknowledged_) {
    const v1::Run* known = run_with_key(state_, key);
    if (!known || known->id() != run) problem("an acknowledged run is lost: " + run);
  }
  for (const auto& [pool, queue] : state_.queues)
    for (const v1::QueuePlace& place :
         queue_places(state_, *hosts_.cluster(), pool, time_from_micros(now_us_), queue.size()))
      if (place.reason().empty()) problem(place.run() + " waits without a reason");
}

}  // namespace rekindle::core::testing
