// What must hold of every state, checked by the tests, the simulator and a restart.
#pragma once

#include <string>
#include <vector>

#include "core/state.h"

namespace rekindle::core {

// Sentences, one per broken invariant; empty when all hold.
std::vector<std::string> broken_invariants(const State& state, Capacity capacity);

}  // namespace rekindle::core
