// The evidence of a canary: what requests and matured labels say of a new version beside the champion.
//
// Looked at after every report and every slot, so all of it is always valid (evidence/sequential.h): a
// version that is no worse is undone with a chance of at most serve.analysis.false_alarms (1 % where the spec
// has none) by failures, and as much by labels, however often was looked. Pure.
#pragma once

#include <string>

#include "registry/rollout.h"

namespace rekindle::registry {

// The newest counts, and what they make of a share of failures within serve.max_errors. In a replay, whose
// reports come when the machine lets them, only once something failed: replays at any speed record the same.
void weigh_requests(const VersionView& view, const v1::Serve& serve, const RolloutClock& clock,
                    v1::CanaryEvidence& evidence);

// What speaks against a version that answers requests; empty: nothing so far.
std::string breach(const VersionView& view, const v1::CanaryEvidence& evidence, const v1::Serve& serve,
                   const RolloutClock& clock);

// Why a bake that is over does not end yet: more failures than are allowed, though not surely, or labels that
// have not shown what serve.analysis.margin asks for. Empty: nothing holds it.
std::string held_back(const v1::CanaryEvidence& evidence, const v1::Serve& serve);

// Labels of slots in which both answered, for the newest rollout, be it under way or over: its evidence, and
// when the version is proved worse than the champion that it came over, the way back. One that was promoted
// meanwhile is said to be proved worse. Empty where the spec asks for no analysis, for rollouts without a
// canary, and for other pairs.
RolloutStep weigh_labels(const v1::ModelState& model, const v1::JobSpec& spec,
                         const v1::LossComparison& labels, const RolloutClock& clock);

// In words; empty where nothing has been weighed.
std::string evidence_words(const v1::CanaryEvidence& evidence);

}  // namespace rekindle::registry
