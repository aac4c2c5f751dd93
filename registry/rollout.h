// Rollout rules: how a published version reaches the serving nodes, step by step, and how it is undone.
//
//   begin ─► LOADING_CANARY ─► BAKING ─► LOADING_ALL ─► PROMOTED
//     │  (first version, by hand, canary 0 or 100 %: straight to LOADING_ALL)
//     └─ at any point before PROMOTED: ROLLED_BACK (undone, the version is barred) or SUPERSEDED (another
//     began)
//
// Invariants: a plan's live shares sum to 10,000 or there is no live version; a version is promoted only
// after every live node reported it ready under the full plan, and only if the champion is still the one
// that it was rolled out over. Pure: what nodes report comes in as a ServingView, time as a number.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"
#include "rekindle/v1/serving.pb.h"

namespace rekindle::registry {

// One version over all live nodes.
struct VersionView {
  uint32_t ready_nodes = 0;
  uint32_t failed_nodes = 0;
  std::string failure;        // a failed node's message, naming the node
  uint64_t answered = 0;      // rightly
  uint64_t failed = 0;        // errors and non-finite outputs
  double latency_p99_ms = 0;  // of the slowest node
};

// What the live nodes of one model report. Default: no live node.
struct ServingView {
  uint32_t nodes = 0;
  uint64_t revision = 0;  // least over the nodes of the plan revision wholly in force
  std::map<uint64_t, VersionView> versions;

  bool ready(uint64_t version) const;  // on every live node
};

// `live` are the newest reports of the live nodes of one model.
ServingView view_of(const std::vector<v1::NodeReport>& live);

// Times that a rollout reads. Bakes end on the model clock; stamps for people are wall clock.
struct RolloutClock {
  int64_t wall_us = 0;
  int64_t model_us = 0;
  bool replay = false;  // a replay owns the model clock
  // False holds a bake that could end: a frozen model, and in a replay every moment but an advance of the
  // clock (when node reports arrive depends on the machine's speed, when the clock advances does not).
  bool may_end_bake = true;
  // In a replay: answers of the version that the event store holds. Node reports come once a second, and how
  // many hours of a replay a second holds depends on the machine.
  uint64_t recorded_answers = 0;
};

// What changed, in the order in which it is to be recorded. Empty members: unchanged.
struct RolloutStep {
  std::optional<v1::Rollout> superseded;  // the rollout that was under way, ended
  std::vector<v1::Version> versions;      // barred, or no longer
  std::optional<v1::AliasMove> moved;     // champion
  std::optional<v1::Rollout> rollout;
  std::optional<v1::ServingPlan> plan;

  bool empty() const { return !superseded && versions.empty() && !moved && !rollout && !plan; }
};

bool active(const v1::Rollout& rollout);  // begun and not terminal

// In all of the following `spec` is the job's, resolved.

// The plan of this model as it should be for its aliases and pins with this rollout; its revision is that of
// the plan in force.
v1::ServingPlan compose_plan(const v1::ModelState& model, const v1::JobSpec& spec,
                             const v1::Rollout& rollout);
// The same with the next revision, or nothing when the plan in force says the same.
std::optional<v1::ServingPlan> changed_plan(const v1::ModelState& model, const v1::JobSpec& spec,
                                            const v1::Rollout& rollout);

enum class Reach { kCanaryFirst, kAllAtOnce };

// Starts a rollout of a version of the model, superseding one under way. The first version, and a canary
// of 0 or 100 %, reach all at once whatever is asked.
RolloutStep begin_rollout(const v1::ModelState& model, const v1::JobSpec& spec, uint64_t version, Reach reach,
                          std::string reason, const RolloutClock& clock);

// The next step, when the nodes' reports and the clock allow one. Called again until it returns an empty
// step; never blocks on a node that is not live.
RolloutStep advance_rollout(const v1::ModelState& model, const v1::JobSpec& spec, const ServingView& view,
                            const RolloutClock& clock);

// Undoes a rollout under way, or goes back from the champion to `to` (0: the champion before it that is
// not barred). The version left is barred from automatic promotion.
Result<RolloutStep> roll_back(const v1::ModelState& model, const v1::JobSpec& spec, uint64_t to,
                              std::string actor, std::string reason, const RolloutClock& clock);

// In words, what an active rollout waits for; empty when none is active.
std::string waiting_for(const v1::ModelState& model, const v1::JobSpec& spec, const ServingView& view);

}  // namespace rekindle::registry
