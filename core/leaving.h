// When an attempt is to leave: asked to by somebody, or because limits.attempt is nearly over. Pure; wall
// clock in microseconds, 0: never.
//
//   placed ─────────────── asked ── cancel_grace ──► leave_by: what is still there is killed
//   placed ── cancel, a drain, or another run needs the room: asked ── cancel_grace ──► killed
#pragma once

#include <cstdint>

#include "core/state.h"

namespace rekindle::core {

// Ranks have saved and left by then. Scoring has no checkpoint to go on from and no such limit.
int64_t leave_by_us(const State& state, const v1::Run& run, const v1::Attempt& attempt);
// From when the coordinator asks for it. Half of a short limit is left for work.
int64_t ask_us(const State& state, const v1::Run& run, const v1::Attempt& attempt);
// What was asked to leave is killed then. A gang that was only asked to grow harms nobody by staying.
int64_t kill_us(const State& state, const v1::Run& run, const v1::Attempt& attempt);

}  // namespace rekindle::core
