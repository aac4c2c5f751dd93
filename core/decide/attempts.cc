// Attempts: placing them, what is seen of them, and the verdict on what they made.
#include <fmt/format.h>

#include "base/hash.h"
#include "base/units.h"
#include "core/decide/draft.h"
#include "core/schedule.h"
#include "core/windows.h"
#include "jobs/retry.h"
#include "proto/time.h"
#include "registry/aliases.h"
#include "registry/gate.h"

namespace rekindle::core {
namespace {

// The attempt that an observation is about, while it lives; nullptr: stale news.
const v1::Attempt* observed(const Draft& draft, const RunId& id, uint32_t number, const v1::Run*& run) {
  run = find_run(draft.state, id.value);
  const v1::Attempt* attempt = run ? live_attempt(*run) : nullptr;
  return attempt && attempt->number() == number ? attempt : nullptr;
}

void signal_kill(Draft& draft, const v1::Run& run, const v1::Attempt& attempt, v1::EndClass end,
                 const std::string& reason) {
  auto* signal = draft.add().mutable_attempt_signalled();
  signal->set_run(run.id());
  signal->set_attempt(attempt.number());
  signal->set_signal(v1::AttemptSignalled::KILL);
  signal->set_reason(reason);
  signal->set_class_if_killed(end);
}

// How the attempt ended, all things considered; `message` may be made clearer.
v1::EndClass end_class(const v1::Run& run, const v1::Attempt& attempt, const AttemptEnded& seen,
                       std::string& message) {
  if (seen.end == v1::END_FINISHED) {
    bool finished = seen.outcome && seen.outcome->kind() == v1::Outcome::FINISHED;
    bool named = run.task() != v1::Plan::TRAIN || (finished && is_sha256_hex(seen.outcome->manifest()));
    if (finished && named) return v1::END_FINISHED;
    message = "the ranks left with code 0 but without a complete outcome";
    return v1::END_CRASH;
  }
  if (seen.end == v1::END_SPEC_REFUSED || seen.end == v1::END_DATA_REFUSED) return seen.end;
  if (attempt.kill_requested()) return attempt.class_if_killed();
  return seen.end == v1::END_UNSPECIFIED ? v1::END_CRASH : seen.end;
}

v1::Verdict verdict_of(const v1::Run& run, const v1::ModelState& model) {
  v1::Verdict verdict = registry::judge(run.spec().gate(), run.outcome().evaluation(), run.champion() != 0);
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

void end_run(Draft& draft, const v1::Run& run, v1::RunState state, std::string reason) {
  auto* ended = draft.add().mutable_run_ended();
  ended->set_run(run.id());
  ended->set_state(state);
  ended->set_reason(std::move(reason));
  if (find_model(draft.state, run.job())) ModelDraft(draft, run.job()).after_run(run, state);
}

void retry_or_fail(Draft& draft, const v1::Run& run, v1::EndClass end, const std::string& what) {
  jobs::RetryDecision decision =
      jobs::decide_retry(end, {run.crash_failures(), run.node_failures()}, run.spec().train().limits());
  std::string reason = what.empty() ? decision.reason : fmt::format("{}: {}", decision.reason, what);
  if (!decision.retry) {
    end_run(draft, run, v1::FAILED_RUN, reason);
    return;
  }
  auto* again = draft.add().mutable_run_requeued();
  again->set_run(run.id());
  again->set_not_before_us(draft.now_us() + decision.delay.count());
  again->set_reason(reason);
  again->set_crash_failures(decision.counts.crash_failures);
  again->set_node_failures(decision.counts.node_failures);
}

void place_runs(Draft& draft) {
  for (const RunId& id : schedule(draft.state, draft.world.slots, draft.world.now).place) {
    const v1::Run& run = draft.state.runs.at(id);
    v1::AttemptPlaced placed;
    placed.set_run(run.id());
    placed.set_attempt(static_cast<uint32_t>(run.attempts_size()) + 1);
    placed.set_slots(slots_needed(run));
    if (run.attempts_size() > 0) {
      // A retry goes on from the run's checkpoints: same rows, same windows, same champion.
      *placed.mutable_windows() = run.windows();
      *placed.mutable_data() = run.data();
      placed.set_champion(run.champion());
    } else {
      Result<Selection> selection = run.task() == v1::Plan::SCORE
                                        ? scored_rows(draft.state, run.dataset())
                                        : training_rows(draft.state, run.spec(), run.as_of_us());
      if (!selection.ok()) {
        // The next round looks at the rest: what the policy remembers has changed.
        end_run(draft, run, v1::FAILED_RUN, selection.status().message());
        return;
      }
      *placed.mutable_windows() = selection->windows;
      placed.mutable_data()->Assign(selection->data.begin(), selection->data.end());
      // A run without publication is nobody's rival.
      const v1::ModelState* model = find_model(draft.state, run.job());
      if (run.publish() && model) placed.set_champion(registry::champion(*model));
    }
    *draft.add().mutable_attempt_placed() = std::move(placed);
  }
}

void kill_overdue(Draft& draft) {
  for (const RunId& id : draft.state.active) {
    const v1::Run& run = draft.state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt || !attempt->yield_requested() || attempt->kill_requested()) continue;
    Micros grace = from_proto(run.spec().train().limits().cancel_grace());
    if (draft.now_us() < attempt->yield_requested_us() + grace.count()) continue;
    signal_kill(draft, run, *attempt, v1::END_CANCELLED,
                fmt::format("still there {} after it was asked to leave", format_duration(grace)));
  }
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

Status decide_one(Draft& draft, const HangDetected& command) {
  const v1::Run* run = nullptr;
  const v1::Attempt* attempt = observed(draft, command.run, command.attempt, run);
  if (!attempt || attempt->state() != v1::Attempt::STARTED || attempt->kill_requested()) return ok_status();
  signal_kill(draft, *run, *attempt, v1::END_HANG, command.message);
  return ok_status();
}

Status decide_one(Draft& draft, const AttemptEnded& command) {
  const v1::Run* run = nullptr;
  const v1::Attempt* attempt = observed(draft, command.run, command.attempt, run);
  if (!attempt) return ok_status();
  std::string message = command.message;
  const v1::EndClass end = end_class(*run, *attempt, command, message);
  auto* ended = draft.add().mutable_attempt_ended();
  ended->set_run(run->id());
  ended->set_attempt(command.attempt);
  ended->set_end(end);
  ended->set_message(message);
  if (command.outcome) *ended->mutable_outcome() = *command.outcome;

  if (run->cancel_requested()) {
    end_run(draft, *run, v1::CANCELLED, run->reason());
  } else if (end == v1::END_FINISHED) {
    auto* finished = draft.add().mutable_run_finished();
    finished->set_run(run->id());
    *finished->mutable_outcome() = *command.outcome;
    if (!run->publish()) end_run(draft, *run, v1::COMPLETED, "done; nothing to publish was asked for");
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
    retry_or_fail(draft, *run, v1::END_CRASH, "its files failed verification: " + command.message);
    return ok_status();
  }
  const v1::ModelState* model = find_model(draft.state, run->job());
  CHECK(model != nullptr, "every run belongs to a model");
  auto* judged = draft.add().mutable_run_judged();
  judged->set_run(run->id());
  const v1::Verdict verdict = verdict_of(*run, *model);
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
