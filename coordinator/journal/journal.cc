#include "coordinator/journal/journal.h"

namespace rekindle::coordinator {

namespace {
// "flight-delay-3" -> "flight-delay": the number is always the last part.
std::string job_of(const std::string& run) {
  return run.substr(0, run.rfind('-'));
}
}  // namespace

std::string subject_of(const v1::Event& event) {
  switch (event.what_case()) {
    case v1::Event::kJobApplied:
      return event.job_applied().name();
    case v1::Event::kRunQueued:
      return event.run_queued().job();
    case v1::Event::kAttemptPlaced:
      return job_of(event.attempt_placed().run());
    case v1::Event::kAttemptStarted:
      return job_of(event.attempt_started().run());
    case v1::Event::kAttemptEnded:
      return job_of(event.attempt_ended().run());
    case v1::Event::kRunRequeued:
      return job_of(event.run_requeued().run());
    case v1::Event::kCancelRequested:
      return job_of(event.cancel_requested().run());
    case v1::Event::kAttemptSignalled:
      return job_of(event.attempt_signalled().run());
    case v1::Event::kRunFinished:
      return job_of(event.run_finished().run());
    case v1::Event::kRunJudged:
      return job_of(event.run_judged().run());
    case v1::Event::kRunEnded:
      return job_of(event.run_ended().run());
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
    case v1::Event::kSnapshotAdded:
      return event.snapshot_added().dataset();
    case v1::Event::kModelFrozen:
      return event.model_frozen().model();
    case v1::Event::kReplayChanged:
      return event.replay_changed().model();
    case v1::Event::kQuarantineChanged:
      return event.quarantine_changed().model();
    case v1::Event::kDecisionChanged:
      return event.decision_changed().model();
    case v1::Event::WHAT_NOT_SET:
      return "";
  }
  return "";
}

std::string kind_of(const v1::Event& event) {
  const auto* oneof = v1::Event::descriptor()->FindOneofByName("what");
  const auto* field = event.GetReflection()->GetOneofFieldDescriptor(event, oneof);
  return field == nullptr ? "" : field->name();
}

}  // namespace rekindle::coordinator
