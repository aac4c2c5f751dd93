// The events of one command while they are being decided, and the handlers that write them. Internal to
// core/: others include core/decide.h.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/decide.h"

namespace rekindle::core {

// What one command reads and writes. The state is the one before the command throughout.
struct Draft {
  const State& state;
  const World& world;
  std::string actor;
  std::vector<v1::Event> events;
  std::string id;
  std::vector<std::string> ids;
  std::map<std::string, Rest> rests;  // what a pass found that starts nobody

  int64_t now_us() const { return to_micros(world.now); }
  // The caller fills in what happened.
  v1::Event& add();
};

// A model under change: later steps of the same command see the earlier ones.
class ModelDraft {
 public:
  ModelDraft(Draft& draft, std::string_view name);  // the model exists
  const v1::ModelState& model() const { return model_; }
  const v1::JobSpec& spec() const { return spec_; }
  registry::RolloutClock clock(bool may_end_bake) const;

  void record(v1::Event event);  // into the draft, and here
  void record(const registry::RolloutStep& step);
  void alias_moved(const v1::AliasMove& move);
  // Publishes the plan again when pins or the spec have changed it.
  void refresh_plan();
  void use(const v1::JobSpec& spec) { spec_ = spec; }  // a revision that is being applied
  // What the policy remembers once this run has ended or come to rest.
  void after_run(const v1::Run& run, v1::RunState state);

 private:
  Draft& draft_;
  v1::ModelState model_;
  v1::JobSpec spec_;
};

// Commands: each adds events to the draft or refuses, having added none that count.
Status decide_one(Draft& draft, const Apply& command);
Status decide_one(Draft& draft, const StartRun& command);
Status decide_one(Draft& draft, const StartRuns& command);
Status decide_one(Draft& draft, const CancelRun& command);
Status decide_one(Draft& draft, const ApproveRun& command);
Status decide_one(Draft& draft, const SetAlias& command);
Status decide_one(Draft& draft, const RollBack& command);
Status decide_one(Draft& draft, const Freeze& command);
Status decide_one(Draft& draft, const AddSnapshot& command);
Status decide_one(Draft& draft, const ResolveQuarantine& command);
Status decide_one(Draft& draft, const ChangeNode& command);
Status decide_one(Draft& draft, const BeginReplay& command);
Status decide_one(Draft& draft, const AdvanceReplay& command);
Status decide_one(Draft& draft, const EndReplay& command);
Status decide_one(Draft& draft, const JudgeWindow& command);
Status decide_one(Draft& draft, const GangStarted& command);
Status decide_one(Draft& draft, const AttemptEnded& command);
Status decide_one(Draft& draft, const HangDetected& command);
Status decide_one(Draft& draft, const ArtifactsVerified& command);
Status decide_one(Draft& draft, const Tick& command);

// Timers and steps that are due. `advanced`: the command that moved a replay's clock, if it was one.
void follow_up(Draft& draft, const AdvanceReplay* advanced);
void kill_overdue(Draft& draft);
void ask_to_leave(Draft& draft);
void empty_drained(Draft& draft);
void grow_gang(Draft& draft);
void step_rollouts(Draft& draft, const AdvanceReplay* advanced);
void place_runs(Draft& draft);
void make_way(Draft& draft);

// Parts that several handlers share.
// The attempt that an observation is about, while it lives; nullptr: stale news.
const v1::Attempt* observed(const Draft& draft, const RunId& id, uint32_t number, const v1::Run*& run);
void end_run(Draft& draft, const v1::Run& run, v1::RunState state, std::string reason);
void request_yield(Draft& draft, const v1::Run& run, const v1::Attempt& attempt, std::string reason);
// On the record of the nodes where it was; `culprit` is the node whose fault it was, empty: nobody knows.
void remember_ending(Draft& draft, const v1::Run& run, const v1::Attempt& attempt, v1::EndClass end,
                     const std::string& culprit);
void retry_or_fail(Draft& draft, const v1::Run& run, v1::EndClass end, const std::string& what);
void publish(Draft& draft, const v1::Run& run);
// The number of the next run and everything that a run starts with.
v1::Run new_run(const Draft& draft, const v1::Job& job);
void queue_run(Draft& draft, const v1::Run& run);

Status no_such_job(std::string_view name);
Status no_such_run(std::string_view id);

}  // namespace rekindle::core
