// apply: one event into the state. Total: it records what was decided and never refuses, so that old
// journals replay under new rules.
#pragma once

#include <string>
#include <vector>

#include "core/state.h"

namespace rekindle::core {

void apply(State& state, const v1::Event& event);  // event.seq must be state.seq + 1

// What an event is about, for the journal's index: "run:flight-delay-3", "model:flight-delay",
// "job:flight-delay", "dataset:flights", "quarantine:7". An event may have several.
std::vector<std::string> subjects(const v1::Event& event);

}  // namespace rekindle::core
