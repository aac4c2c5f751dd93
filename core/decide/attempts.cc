// Attempts: what is seen of them, and the verdict on what they made.
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "core/decide/draft.h"
#include "core/leaving.h"
#include "core/nodes.h"
#include "core/schedule.h"
#include "jobs/retry.h"
#include "jobs/task.h"
#include "registry/aliases.h"
#include "registry/choice.h"
#include "registry/gate.h"

namespace rekindle::core {
namespace {

// A yield is free of charge, so one at the time limit must have brought the run forward: else a limit that is
// shorter than a start would be tried for ever. A script's steps are its own affair.
bool stands_still(const State& state, const v1::Run& run, const v1::Attempt& attempt,
                  const AttemptEnded& seen) {
  if (attempt.resize_requested() || !attempt.makes_way_for().empty() || run.cancel_requested() ||
      !drained_from(state, run, attempt).empty())
    return false;
  // A queue outside may set a limit of its own.
  if (leave_by_us(state, run, attempt) == 0 && !attempt.queues()) return false;
  return spec_of(state, run).train().has_model() && seen.outcome &&
         seen.outcome->steps() <= seen.outcome->resumed_from_step();
}

// How the attempt ended, all things considered; `message` may be made clearer.
v1::EndClass end_class(const State& state, const v1::Run& run, const v1::Attempt& attempt,
                       const AttemptEnded& seen, std::string& message) {
  if (seen.end == v1::END_FINISHED) {
    bool finished = seen.outcome && seen.outcome->kind() == v1::Outcome::FINISHED;
    const bool candidate = run.task() == v1::Plan::TRAIN && !jobs::is_task(spec_of(state, run));
    bool named = !candidate || (finished && is_sha256_hex(seen.outcome->manifest()));
    if (finished && named) return v1::END_FINISHED;
    message = "the ranks left with code 0 but without a complete outcome";
    return v1::END_CRASH;
  }
  if (seen.end == v1::END_SPEC_REFUSED || seen.end == v1::END_DATA_REFUSED || seen.end == v1::END_DIVERGED)
    return seen.end;
  if (attempt.kill_requested()) {
    // The kill that ended it is not what was wrong with it.
    if (!attempt.message().empty()) message = attempt.message();
    return attempt.class_if_killed();
  }
  if (seen.end == v1::END_YIELDED && stands_still(state, run, attempt, seen)) {
    message =
        fmt::format("left at its time limit at step {}, where it had begun: raise {}", seen.outcome->steps(),
                    attempt.queues() ? "the pool's `time`, or train.limits.attempt where it is shorter"
                                     : "train.limits.attempt");
    return v1::END_HANG;
  }
  return seen.end == v1::END_UNSPECIFIED ? v1::END_CRASH : seen.end;
}

std::string joined(std::string first, const std::string& second) {
  return second.empty() ? first : fmt::format("{}; {}", first, second);
}

// What is told of an attempt that yielded.
std::string yield_text(const Draft& draft, const v1::Run& run, const v1::Attempt& attempt,
                       const std::string& seen) {
  if (!attempt.makes_way_for().empty())
    return joined(fmt::format("made way for {}", attempt.makes_way_for()), seen);
  if (const std::string node = drained_from(draft.state, run, attempt); !node.empty())
    return joined(fmt::format("left node {}, which is drained", node), seen);
  if (!attempt.resize_requested()) return seen;
  const uint32_t from = world_of(attempt), to = ranks_possible(draft.state, *draft.world.cluster, run);
  if (to > from) return joined(fmt::format("grows from {} to {} ranks", from, to), seen);
  return joined(fmt::format("was to grow from {} ranks, but others took the room", from), seen);
}

// Of several fits the one that is judged.
void tell_choice(v1::Gate::Metric metric, const v1::Outcome& outcome, v1::Verdict& verdict) {
  const auto& fits = outcome.candidates();
  if (std::none_of(fits.begin(), fits.end(), [](const v1::CandidateFit& fit) { return fit.chosen(); }))
    return;
  v1::GateCheck& check = *verdict.add_checks();
  check = registry::choice_told(metric, fits);
  verdict.set_reason(joined(verdict.reason(), check.text()));
}

v1::Verdict verdict_of(const State& state, const v1::Run& run, const v1::ModelState& model) {
  v1::Gate gate = spec_of(state, run).gate();
  // A version that serves again need not show that it can be served.
  if (registry::version_of_manifest(model, run.outcome().manifest()) != nullptr) gate.clear_serving();
  v1::Verdict verdict = registry::judge(gate, run.outcome().evaluation(), run.champion() != 0);
  tell_choice(gate.metric(), run.outcome(), verdict);
  if (verdict.kind() != v1::Verdict::PASS) return verdict;
  // Promotion is compare-and-swap on the champion that was judged: against another nothing was proved.
  if (uint64_t now = registry::champion(model); now != run.champion()) {
    verdict.set_kind(v1::Verdict::HOLD);
    verdict.set_reason(
        fmt::format("{}; but it was judged against version {}, and the champion is version {} now",
                    verdict.reason(), run.champion(), now));
  } else if (model.frozen()) {
    verdict.set_kind(v1::Verdict::HOLD);
    verdict.set_reason(
        fmt::format("{}; but the model is frozen: {}", verdict.reason(), model.frozen_reason()));
  }
  return verdict;
}

}  // namespace

const v1::Attempt* observed(const Draft& draft, const RunId& id, uint32_t number, const v1::Run*& run) {
  run = find_run(draft.state, id.value);
  const v1::Attempt* attempt = run ? live_attempt(*run) : nullptr;
  return attempt && attempt->number() == number ? attempt : nullptr;
}

void end_run(Draft& draft, const v1::Run& run, v1::RunState state, std::string reason) {
  auto* ended = draft.add().mutable_run_ended();
  ended->set_run(run.id());
  ended->set_state(state);
  ended->set_reason(std::move(reason));
  if (run.publish() && find_model(draft.state, run.job())) ModelDraft(draft, run.job()).after_run(run, state);
}

void retry_or_fail(Draft& draft, const v1::Run& run, v1::EndClass end, const std::string& what) {
  jobs::RetryDecision decision =
      jobs::decide_retry(end, jobs::counts_of(run), spec_of(draft.state, run).train().limits(),
                         jobs::early_failures(run, draft.now_us()));
  std::string reason = what.empty() ? decision.reason : fmt::format("{}: {}", decision.reason, what);
  if (!decision.retry) {
    end_run(draft, run, v1::FAILED_RUN, reason);
    return;
  }
  auto* again = draft.add().mutable_run_requeued();
  again->set_run(run.id());
  again->set_not_before_us(draft.now_us() + decision.delay.count());
  again->set_reason(reason);
  // Its turn of limits.attempt is over: those who were promised its room by then come first.
  const v1::Attempt* last = run.attempts().empty() ? nullptr : &*run.attempts().rbegin();
  if (end == v1::END_YIELDED && last && !last->resize_requested() && last->makes_way_for().empty() &&
      drained_from(draft.state, run, *last).empty() && leave_by_us(draft.state, run, *last) != 0)
    again->set_turn_us(draft.now_us());
  jobs::set_counts(*again, decision.counts);
}

Status decide_one(Draft& draft, const GangStarted& command) {
  const v1::Run* run = nullptr;
  const v1::Attempt* attempt = observed(draft, command.run, command.attempt, run);
  if (!attempt || attempt->state() != v1::Attempt::PLACED) return ok_status();
  auto* started = draft.add().mutable_attempt_started();
  started->set_run(run->id());
  started->set_attempt(command.attempt);
  *started->mutable_gang() = command.gang;
  return ok_status();
}

Status decide_one(Draft& draft, const AttemptEnded& command) {
  const v1::Run* run = nullptr;
  const v1::Attempt* attempt = observed(draft, command.run, command.attempt, run);
  if (!attempt) return ok_status();
  std::string message = command.message;
  const v1::EndClass end = end_class(draft.state, *run, *attempt, command, message);
  if (end == v1::END_YIELDED) message = yield_text(draft, *run, *attempt, message);
  auto* ended = draft.add().mutable_attempt_ended();
  ended->set_run(run->id());
  ended->set_attempt(command.attempt);
  ended->set_end(end);
  ended->set_message(message);
  if (command.outcome) *ended->mutable_outcome() = *command.outcome;
  // Of what was killed the fault was told when it was seen.
  if (!attempt->kill_requested()) remember_ending(draft, *run, *attempt, end, command.node);

  if (run->cancel_requested()) {
    end_run(draft, *run, v1::CANCELLED, run->reason());
  } else if (end == v1::END_FINISHED) {
    auto* finished = draft.add().mutable_run_finished();
    finished->set_run(run->id());
    *finished->mutable_outcome() = *command.outcome;
    const bool task = jobs::is_task(spec_of(draft.state, *run));
    if (!run->publish())
      end_run(draft, *run, v1::COMPLETED, task ? "done" : "done; nothing to publish was asked for");
  } else if (end == v1::END_CANCELLED) {
    // In the queue of its pool, by somebody who meant it: nobody wants another attempt.
    end_run(draft, *run, v1::CANCELLED, message.empty() ? "cancelled where it ran" : message);
  } else {
    retry_or_fail(draft, *run, end, message);
  }
  return ok_status();
}

Status decide_one(Draft& draft, const ArtifactsVerified& command) {
  const v1::Run* run = find_run(draft.state, command.run.value);
  if (!run || run->state() != v1::JUDGING || run->outcome().manifest() != command.manifest)
    return ok_status();
  if (!verdict_due(draft.state, *run, draft.world.now)) return ok_status();
  if (!command.ok) {
    retry_or_fail(draft, *run, v1::END_DATA_LOST, "its files failed verification: " + command.message);
    return ok_status();
  }
  const v1::ModelState* model = find_model(draft.state, run->job());
  CHECK(model != nullptr, "every run belongs to a model");
  auto* judged = draft.add().mutable_run_judged();
  judged->set_run(run->id());
  const v1::Verdict verdict = verdict_of(draft.state, *run, *model);
  *judged->mutable_verdict() = verdict;
  if (verdict.kind() == v1::Verdict::PASS) {
    publish(draft, *run);
  } else if (verdict.kind() == v1::Verdict::REJECT) {
    end_run(draft, *run, v1::REJECTED, verdict.reason());
  } else {
    ModelDraft(draft, run->job()).after_run(*run, v1::HELD);
  }
  return ok_status();
}

}  // namespace rekindle::core
