#include "core/apply.h"

#include <algorithm>

#include "base/check.h"
#include "core/nodes.h"
#include "jobs/retry.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

v1::Attempt* attempt_of(v1::Run& run, uint32_t number) {
  for (auto& attempt : *run.mutable_attempts())
    if (attempt.number() == number) return &attempt;
  return nullptr;
}

// The part that concerns one run. `at_us` is the event's time.
void apply_to_run(v1::Run& run, const v1::Event& event) {
  const int64_t at_us = event.time_us();
  switch (event.what_case()) {
    case v1::Event::kAttemptPlaced: {
      const auto& placed = event.attempt_placed();
      run.set_state(v1::RUNNING);
      run.clear_reason();
      run.clear_not_before_us();
      *run.mutable_windows() = placed.windows();
      *run.mutable_data() = placed.data();
      run.set_champion(placed.champion());
      auto* attempt = run.add_attempts();
      attempt->set_number(placed.attempt());
      attempt->set_state(v1::Attempt::PLACED);
      attempt->set_slots(placed.slots());
      attempt->set_world(placed.world());
      *attempt->mutable_devices() = placed.devices();
      *attempt->mutable_shares() = placed.shares();
      attempt->set_queues(placed.queues());
      attempt->set_placed_us(at_us);
      return;
    }
    case v1::Event::kAttemptStarted:
      if (auto* attempt = attempt_of(run, event.attempt_started().attempt())) {
        attempt->set_state(v1::Attempt::STARTED);
        *attempt->mutable_gang() = event.attempt_started().gang();
      }
      return;
    case v1::Event::kAttemptSignalled:
      if (auto* attempt = attempt_of(run, event.attempt_signalled().attempt())) {
        const auto& signalled = event.attempt_signalled();
        if (signalled.signal() == v1::AttemptSignalled::KILL) {
          attempt->set_kill_requested(true);
          attempt->set_class_if_killed(signalled.class_if_killed());
        } else {
          attempt->set_yield_requested(true);
          attempt->set_yield_requested_us(at_us);
          attempt->set_resize_requested(signalled.resize());
          attempt->set_makes_way_for(signalled.makes_way_for());
        }
        attempt->set_message(signalled.reason());
      }
      return;
    case v1::Event::kAttemptEnded:
      if (auto* attempt = attempt_of(run, event.attempt_ended().attempt())) {
        attempt->set_state(v1::Attempt::ENDED);
        attempt->set_end(event.attempt_ended().end());
        attempt->set_message(event.attempt_ended().message());
        attempt->set_from_step(event.attempt_ended().outcome().resumed_from_step());
        attempt->set_until_step(event.attempt_ended().outcome().steps());
        attempt->set_ended_us(at_us);
      }
      return;
    case v1::Event::kRunRequeued:
      run.set_state(v1::QUEUED);
      run.clear_outcome();
      run.set_not_before_us(event.run_requeued().not_before_us());
      run.set_reason(event.run_requeued().reason());
      if (event.run_requeued().turn_us() != 0) run.set_turn_us(event.run_requeued().turn_us());
      jobs::apply_counts(run, event.run_requeued());
      return;
    case v1::Event::kRunFinished:
      run.set_state(v1::JUDGING);
      *run.mutable_outcome() = event.run_finished().outcome();
      return;
    case v1::Event::kRunJudged:
      *run.mutable_verdict() = event.run_judged().verdict();
      if (run.verdict().kind() == v1::Verdict::HOLD) {
        run.set_state(v1::HELD);
        run.set_reason(run.verdict().reason());
      }
      return;
    case v1::Event::kCancelRequested:
      run.set_cancel_requested(true);
      run.set_reason(event.cancel_requested().reason());
      return;
    case v1::Event::kRunEnded:
      run.set_state(event.run_ended().state());
      run.set_reason(event.run_ended().reason());
      run.set_version(event.run_ended().version());
      run.set_ended_us(at_us);
      run.clear_not_before_us();
      return;
    default:
      return;
  }
}

// Whether who holds slots or waits for them is another after it.
bool moves(const v1::Event& event) {
  return event.has_run_queued() || event.has_attempt_placed() || event.has_attempt_ended() ||
         event.has_run_ended();
}

void queue(State& state, const v1::Run& run) {
  add_run(state, run);
  auto& job = state.jobs[JobName(run.job())];
  job.set_next_run(job.next_run() + 1);
}

// What passes have found holds on, as long as nothing else happens, for those who are put behind whom they
// looked at; and a gang's start changes nothing that they go by, unless it waited in a queue outside.
void wake(State& state, const v1::Event& event) {
  if (state.rests.empty()) return;
  if (event.has_node_changed()) state.rests.clear();
  const v1::Run* run = find_run(state, run_of(event));
  auto rest = run ? state.rests.find(pool_of(state, *run)) : state.rests.end();
  if (rest == state.rests.end()) return;
  if (event.has_run_queued() && (!rest->second.last || *rest->second.last < queue_key(*run))) return;
  if (event.has_attempt_started()) {
    const v1::Attempt* attempt = live_attempt(*run);
    if (attempt && !attempt->queues()) return;
  }
  state.rests.erase(rest);
}

void record_node(State& state, const v1::NodeState& node) {
  state.nodes_seq = state.seq;
  const auto key = std::make_pair(node.pool(), node.node());
  if (says_nothing(node))
    state.nodes.erase(key);
  else
    state.nodes[key] = node;
}

void record_retired(State& state, const v1::RunsRetired& retired) {
  for (const std::string& id : retired.runs()) {
    const auto run = state.runs.find(RunId(id));
    if (run == state.runs.end()) continue;
    unfile_run(state, run->second);
    if (const std::string& key = run->second.idempotency_key(); !key.empty()) {
      state.retired_keys.keep(key);
      forget_key(state, run->second);
    }
    state.runs.erase(run);
  }
}

void record_restored(State& state, const v1::Restored& restored) {
  for (const v1::Restored::Numbers& numbers : restored.numbers()) {
    if (auto job = state.jobs.find(JobName(numbers.job())); job != state.jobs.end())
      job->second.set_next_run(numbers.next_run());
    auto model = state.models.find(JobName(numbers.job()));
    if (model == state.models.end()) continue;
    model->second.set_next_version(numbers.next_version());
    if (numbers.plan_revision() == 0) continue;
    model->second.mutable_plan()->set_revision(numbers.plan_revision());
    // A rollout waits for nodes to follow this one, not one of the same number that they may hold.
    if (model->second.has_rollout()) model->second.mutable_rollout()->set_revision(numbers.plan_revision());
  }
}

}  // namespace

std::string run_of(const v1::Event& event) {
  switch (event.what_case()) {
    case v1::Event::kRunQueued:
      return event.run_queued().id();
    case v1::Event::kAttemptPlaced:
      return event.attempt_placed().run();
    case v1::Event::kAttemptStarted:
      return event.attempt_started().run();
    case v1::Event::kAttemptSignalled:
      return event.attempt_signalled().run();
    case v1::Event::kAttemptEnded:
      return event.attempt_ended().run();
    case v1::Event::kRunRequeued:
      return event.run_requeued().run();
    case v1::Event::kRunFinished:
      return event.run_finished().run();
    case v1::Event::kRunJudged:
      return event.run_judged().run();
    case v1::Event::kCancelRequested:
      return event.cancel_requested().run();
    case v1::Event::kRunEnded:
      return event.run_ended().run();
    case v1::Event::kVersionPublished:
      return event.version_published().run();
    default:
      return {};
  }
}

std::string model_of(const v1::Event& event) {
  switch (event.what_case()) {
    case v1::Event::kJobApplied:
      return event.job_applied().name();
    case v1::Event::kRunQueued:
      return event.run_queued().job();
    case v1::Event::kVersionPublished:
      return event.version_published().model();
    case v1::Event::kVersionBarred:
      return event.version_barred().model();
    case v1::Event::kAliasMoved:
      return event.alias_moved().model();
    case v1::Event::kRolloutChanged:
      return event.rollout_changed().model();
    case v1::Event::kPlanSet:
      return event.plan_set().model();
    case v1::Event::kWindowJudged:
      return event.window_judged().window().model();
    case v1::Event::kDecisionChanged:
      return event.decision_changed().model();
    case v1::Event::kModelFrozen:
      return event.model_frozen().model();
    case v1::Event::kReplayChanged:
      return event.replay_changed().model();
    case v1::Event::kQuarantineChanged:
      return event.quarantine_changed().model();
    default:
      return {};
  }
}

void apply_to_model(v1::ModelState& model, const v1::Event& event) {
  switch (event.what_case()) {
    case v1::Event::kVersionPublished:
      *model.add_versions() = event.version_published();
      return;
    case v1::Event::kVersionBarred:
      for (auto& version : *model.mutable_versions())
        if (version.number() == event.version_barred().number()) version = event.version_barred();
      return;
    case v1::Event::kAliasMoved:
      registry::apply_move(model, event.alias_moved());
      return;
    case v1::Event::kRolloutChanged:
      *model.mutable_rollout() = event.rollout_changed();
      return;
    case v1::Event::kPlanSet:
      *model.mutable_plan() = event.plan_set();
      return;
    case v1::Event::kWindowJudged:
      // The decision comes without its copy of the window.
      *model.mutable_decision() = event.window_judged().decision();
      *model.mutable_decision()->mutable_last_window() = event.window_judged().window();
      return;
    case v1::Event::kDecisionChanged: {
      // The window stays: it is large, and only windows change it.
      v1::JudgedWindow window = model.decision().last_window();
      *model.mutable_decision() = event.decision_changed().decision();
      *model.mutable_decision()->mutable_last_window() = std::move(window);
      return;
    }
    case v1::Event::kModelFrozen:
      model.set_frozen(event.model_frozen().frozen());
      model.set_frozen_reason(event.model_frozen().reason());
      return;
    case v1::Event::kReplayChanged:
      model.set_replay_session(event.replay_changed().session());
      model.set_replay_clock_us(event.replay_changed().clock_us());
      model.set_replay_run_takes_us(event.replay_changed().run_takes_us());
      *model.mutable_pinned() = event.replay_changed().pinned();
      return;
    default:
      return;
  }
}

namespace {

void record(State& state, const v1::Event& event) {
  CHECK(event.seq() == state.seq + 1, "events must be applied in order, without gaps");
  state.seq = event.seq();
  state.time_us = std::max(state.time_us, event.time_us());
  if (moves(event)) state.moved_us = std::max(state.moved_us, event.time_us());
  switch (event.what_case()) {
    case v1::Event::kJobApplied: {
      JobName name(event.job_applied().name());
      state.jobs[name] = event.job_applied();
      state.specs.keep(event.job_applied().spec_sha256(), event.job_applied().spec());
      state.models[name].set_name(name.value);
      return;
    }
    case v1::Event::kRunQueued:
      queue(state, event.run_queued());
      return;
    case v1::Event::kSnapshotAdded:
      state.datasets[event.snapshot_added().dataset()][event.snapshot_added().name()] =
          event.snapshot_added();
      return;
    case v1::Event::kQuarantineChanged:
      state.quarantines[event.quarantine_changed().id()] = event.quarantine_changed();
      state.next_quarantine = std::max(state.next_quarantine, event.quarantine_changed().id() + 1);
      return;
    case v1::Event::kNodeChanged:
      record_node(state, event.node_changed());
      return;
    case v1::Event::kRunsRetired:
      record_retired(state, event.runs_retired());
      return;
    case v1::Event::kRestored:
      record_restored(state, event.restored());
      return;
    default:
      break;
  }
  if (event.what_case() != v1::Event::kVersionPublished) {
    if (auto run = state.runs.find(RunId(run_of(event))); run != state.runs.end()) {
      unfile_run(state, run->second);
      apply_to_run(run->second, event);
      file_run(state, run->second);
    }
  }
  if (auto model = state.models.find(JobName(model_of(event))); model != state.models.end())
    apply_to_model(model->second, event);
}

}  // namespace

void apply(State& state, const v1::Event& event) {
  record(state, event);
  wake(state, event);
}

}  // namespace rekindle::core
