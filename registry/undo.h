// How rollouts end and are undone: the parts of rollout.h's rules that the canary's evidence uses too. Pure.
#pragma once

#include <string>

#include "registry/rollout.h"

namespace rekindle::registry {

v1::AliasMove champion_move(const v1::ModelState& model, uint64_t to, std::string actor, std::string reason,
                            int64_t now_us);

v1::Version with_bar(const v1::Version& version, bool barred, const std::string& reason);

v1::Rollout ended(v1::Rollout rollout, v1::Rollout::State state, const std::string& reason,
                  const RolloutClock& clock);

// Writes the plan of a rollout's new state and the revision that its step waits for.
void publish_plan(RolloutStep& step, const v1::ModelState& model, const v1::JobSpec& spec);

// In the following `rollout` is the model's, with what has come to be known of it.

// Back to the champion. Where the champion is the version itself there is nothing to go back to: the
// rollout stays and says why.
RolloutStep undo(const v1::ModelState& model, const v1::JobSpec& spec, const v1::Rollout& rollout,
                 const std::string& reason, const RolloutClock& clock);

// Back from a champion to the one before it; the version is barred, and said to be proved worse. Empty where
// that one has gone or is barred itself.
RolloutStep undo_promotion(const v1::ModelState& model, const v1::JobSpec& spec, const v1::Rollout& rollout,
                           const std::string& reason, const RolloutClock& clock);

}  // namespace rekindle::registry
