// Is it enough? From what detectors say about each sealed slot to the decision to retrain.
//
// Pure: state and window in, state and decision out, with a sentence for or against every time. Reads
// no clock but the model clock in the window. What calls for a run is in drift/policy/triggers.h, what keeps
// it waiting in drift/policy/brakes.h; docs/drift.md has the reasons behind each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rekindle/v1/drift.pb.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::drift {

// What the policy must know beside its own memory.
struct PolicyContext {
  uint64_t champion = 0;          // version in service; 0: none, nothing triggers
  uint64_t versions = 0;          // made so far, those that were undone too
  int64_t champion_as_of_us = 0;  // model clock up to which its rows were known: its age
  uint64_t new_labels = 0;        // labelled rows that settled since those that it knows
  // Event times between which lie the rows that a run learns from: one that starts now, and the one that made
  // the version in service. The newest rows are held back for the verdict.
  int64_t learns_from_us = 0, learns_until_us = 0;
  int64_t learned_from_us = 0, learned_until_us = 0;
  int64_t holdout_us = 0;  // as many are held back; 0: nobody says, and nothing waits for rows
  bool frozen = false;
  std::string frozen_reason;
  bool rollout_active = false;  // a version is on its way in: its judgement comes first
  std::string behind;           // non-empty: why this window is too old to act on
};

struct PolicyStep {
  v1::DecisionState state;         // to be recorded; a trigger is already charged to budget and cooldown,
                                   // active_run is left to the caller, who names the run
  std::optional<v1::Cause> cause;  // set: start a run
  std::string reason;              // for or against; also state.last_reason
  double gain = 0;                 // of a run: loss per row that it is expected to spare; 0: not known
};

// One judged slot. `retrain` is resolved; windows come in slot order. A window at or before
// state.judged_slot_us changes nothing (it was judged already), unless the model clock went back
// because a replay took over: then the memory of the other clock is dropped.
PolicyStep step(const v1::Retrain& retrain, const v1::DecisionState& state, const v1::JudgedWindow& window,
                const PolicyContext& context);

// After the triggered (or any other) run of the model ended or came to rest: clears active_run when it is
// this run, counts rejections, starts the cooldown at a publication, and charges what a run that was started
// by itself took. `clock_us` is the model clock; `rank_seconds` the time of all its ranks together.
v1::DecisionState after_run(const v1::Retrain& retrain, const v1::DecisionState& state, const v1::Run& run,
                            int64_t clock_us, double rank_seconds);

// Cooldown as it stands: doubled for each rejection in a row, at most 2^5 times.
int64_t cooldown_us(const v1::Retrain& retrain, const v1::DecisionState& state);

}  // namespace rekindle::drift
