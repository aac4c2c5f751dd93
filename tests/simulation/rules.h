// What must hold in every simulated life, of the core alone and of the whole coordinator.
#pragma once

#include <string>
#include <vector>

#include "core/state.h"

namespace rekindle::core::testing {

// The edges of the graph of a run's states, one event at a time.
bool legal(v1::RunState from, v1::RunState to);
// Whether its pool could hold it, were it empty.
bool ever_fits(const place::Cluster& cluster, const State& state, const v1::Run& run);
// Each class of fault was tried again as often as its budget says, and then no more.
void over_budget(const State& state, std::vector<std::string>& problems);

}  // namespace rekindle::core::testing
