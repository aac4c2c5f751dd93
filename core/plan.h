// What an attempt is told: the part of its plan that the state decides. The same state gives the same bytes.
#pragma once

#include "core/state.h"

namespace rekindle::core {

// Left to the caller: artifacts, checkpoints, threads_per_rank, start_nonce.
v1::Plan plan_of(const State& state, const v1::Run& run, uint32_t attempt);

// How a cause reads: "drift: psi of temp 0.41 over 0.25".
std::string cause_text(v1::Cause cause, std::string_view detail);

}  // namespace rekindle::core
