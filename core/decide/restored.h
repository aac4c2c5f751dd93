// What a restored state begins with. Pure.
#pragma once

#include "core/state.h"

namespace rekindle::core {

// The event after the state's newest: numbers that may have been given since the backup was made are passed
// over. `restored.numbers` is filled in here.
v1::Event restored_event(const State& state, v1::Restored restored, Time now);

}  // namespace rekindle::core
