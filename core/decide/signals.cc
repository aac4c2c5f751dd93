// Signals to gangs: who is asked to leave, who is killed, and why.
#include <fmt/format.h>

#include "base/units.h"
#include "core/decide/draft.h"
#include "core/leaving.h"
#include "core/nodes.h"
#include "core/schedule.h"
#include "proto/time.h"

namespace rekindle::core {
namespace {

v1::AttemptSignalled& signal(Draft& draft, const v1::Run& run, const v1::Attempt& attempt,
                             v1::AttemptSignalled::Signal kind, std::string reason) {
  auto* signal = draft.add().mutable_attempt_signalled();
  signal->set_run(run.id());
  signal->set_attempt(attempt.number());
  signal->set_signal(kind);
  signal->set_reason(std::move(reason));
  return *signal;
}

void signal_kill(Draft& draft, const v1::Run& run, const v1::Attempt& attempt, v1::EndClass end,
                 std::string reason) {
  signal(draft, run, attempt, v1::AttemptSignalled::KILL, std::move(reason)).set_class_if_killed(end);
}

std::string limit_text(const State& state, const v1::Run& run) {
  return fmt::format("train.limits.attempt, {},",
                     format_duration(from_proto(spec_of(state, run).train().limits().attempt())));
}

}  // namespace

void request_yield(Draft& draft, const v1::Run& run, const v1::Attempt& attempt, std::string reason) {
  signal(draft, run, attempt, v1::AttemptSignalled::YIELD, std::move(reason));
}

void kill_overdue(Draft& draft) {
  for (const RunId& id : draft.state.working) {
    const v1::Run& run = draft.state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    const int64_t due = attempt ? kill_us(draft.state, run, *attempt) : 0;
    if (due == 0 || draft.now_us() < due) continue;
    const Micros since(draft.now_us() - attempt->yield_requested_us());
    const std::string still = fmt::format("still there {} after it was asked to leave",
                                          format_duration(std::chrono::floor<Seconds>(since)));
    if (run.cancel_requested())
      signal_kill(draft, run, *attempt, v1::END_CANCELLED, still);
    else if (!attempt->makes_way_for().empty())
      signal_kill(draft, run, *attempt, v1::END_PREEMPTED,
                  fmt::format("was to make way for {}; {}", attempt->makes_way_for(), still));
    else if (const std::string node = drained_from(draft.state, run, *attempt); !node.empty())
      signal_kill(draft, run, *attempt, v1::END_PREEMPTED,
                  fmt::format("node {} is drained; {}", node, still));
    else
      signal_kill(draft, run, *attempt, v1::END_HANG,
                  fmt::format("{} is over; {}", limit_text(draft.state, run), still));
  }
}

// The ranks of built-in kinds know the limit from their plan and are mostly gone by then.
void ask_to_leave(Draft& draft) {
  for (const RunId& id : draft.state.working) {
    const v1::Run& run = draft.state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    const int64_t due = attempt ? ask_us(draft.state, run, *attempt) : 0;
    if (due == 0 || draft.now_us() < due || attempt->kill_requested()) continue;
    if (attempt->yield_requested() && !attempt->resize_requested()) continue;
    request_yield(draft, run, *attempt, limit_text(draft.state, run) + " is nearly over");
  }
}

void grow_gang(Draft& draft) {
  const std::optional<Growth> due = growth(draft.state, *draft.world.cluster);
  if (!due || draft.now_us() < due->due_us) return;
  const v1::Run& run = draft.state.runs.at(due->run);
  signal(draft, run, *live_attempt(run), v1::AttemptSignalled::YIELD,
         fmt::format("grows from {} to {} ranks: they have been free for {} and nobody waits for them",
                     due->from, due->to, format_duration(kGrowAfter)))
      .set_resize(true);
}

void make_way(Draft& draft) {
  for (const Eviction& one :
       evictions(draft.state, *draft.world.cluster, draft.world.saved_us, draft.world.now)) {
    const v1::Run& run = draft.state.runs.at(one.run);
    signal(draft, run, *live_attempt(run), v1::AttemptSignalled::YIELD,
           fmt::format("makes way for {} (priority {} over {}): of all that could, {:.0f} rank-seconds since "
                       "its last checkpoint are the least to lose",
                       one.makes_way_for.value, draft.state.runs.at(one.makes_way_for).priority(),
                       run.priority(), one.lost))
        .set_makes_way_for(one.makes_way_for.value);
  }
}

Status decide_one(Draft& draft, const HangDetected& command) {
  const v1::Run* run = nullptr;
  const v1::Attempt* attempt = observed(draft, command.run, command.attempt, run);
  if (!attempt || attempt->state() != v1::Attempt::STARTED || attempt->kill_requested()) return ok_status();
  signal_kill(draft, *run, *attempt, command.end, command.message);
  remember_ending(draft, *run, *attempt, command.end, command.node);
  return ok_status();
}

}  // namespace rekindle::core
