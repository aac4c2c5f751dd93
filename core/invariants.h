// What must hold of every state, checked by the tests, the simulator and a restart.
#pragma once

#include <string>
#include <vector>

#include "core/schedule.h"

namespace rekindle::core {

// Sentences, one per broken invariant; empty when all hold.
std::vector<std::string> broken_invariants(const State& state, const place::Cluster& cluster);

}  // namespace rekindle::core
