// What each trigger of a spec says of one judged window, and what they say together.
//
// Pure. A trigger fires or does not, always with its value, its threshold and a sentence; how many must fire
// at once is retrain.need. What evidence takes more than one window is remembered in the state: hits that are
// taken half a window apart, and alarms that last until their score is below retrain.clear of its threshold.
// Knows nothing of what may keep a run from starting: drift/policy/brakes.h.
#pragma once

#include <optional>
#include <string>

#include "drift/policy.h"

namespace rekindle::drift {

struct Wish {
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  std::string words;
  double gain = 0;  // loss per row that a fresh version is expected to spare; 0: not known
};

// A wish, or in `against` why there is none. The state's memory of evidence, and what each trigger said, move
// on.
std::optional<Wish> wish_of(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                            const PolicyContext& context, v1::DecisionState& state, std::string& against);

// Evidence against a version says nothing of the next.
void forget_evidence(v1::DecisionState& state);

}  // namespace rekindle::drift
