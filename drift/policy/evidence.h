// What each trigger of a spec says of one judged window.
//
// Pure. A trigger fires or does not, always with its value, its threshold and a sentence. What evidence takes
// more than one window is remembered in the state: hits that are taken half a window apart, and alarms that
// last until their score is below retrain.clear of its threshold.
#pragma once

#include <vector>

#include "drift/policy.h"

namespace rekindle::drift {

struct Told {
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  v1::TriggerWord word;
  double weight = 1;
  double gain = 0;  // loss per row that a fresh version is expected to spare; 0: not known
};

// In the order of the spec. The state's memory of evidence moves on.
std::vector<Told> ask(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                      const PolicyContext& context, v1::DecisionState& state);

// Evidence against a version says nothing of the next.
void forget_evidence(v1::DecisionState& state);

}  // namespace rekindle::drift
