// `rekindle why VERSION`: the causal thread of a version, from the window that triggered its run to the
// rollout, read from the journal's events. Pure.
#pragma once

#include <vector>

#include "base/result.h"
#include "core/state.h"

namespace rekindle::core {

// `events` in order of seq; those about other things are passed over, so all of the journal may be given,
// or only the events of the model.
Result<v1::WhyResponse> why(const State& state, std::string_view model, uint64_t version,
                            const std::vector<v1::Event>& events);

}  // namespace rekindle::core
