// What the triggers of a spec say together of one judged window: a wish for a run, or why there is none.
//
// Pure. How many must fire at once is retrain.need. Knows nothing of what may keep a run from starting:
// drift/policy/brakes.h.
#pragma once

#include <optional>
#include <string>

#include "drift/policy.h"

namespace rekindle::drift {

struct Wish {
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  std::string words;
  double gain = 0;             // loss per row that a fresh version is expected to spare; 0: not known
  bool for_more_rows = false;  // for nothing else
};

// A wish, or in `against` why there is none. The state remembers the evidence, and what each trigger said.
std::optional<Wish> wish_of(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                            const PolicyContext& context, v1::DecisionState& state, std::string& against);

}  // namespace rekindle::drift
