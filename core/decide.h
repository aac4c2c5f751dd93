// decide: a command becomes events or a refusal. Legality and policy live here; apply only records.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "core/command.h"
#include "core/state.h"

namespace rekindle::core {

// Who asks: a token's name, or "rekindled" for observations and timers.
inline constexpr std::string_view kSelf = "rekindled";

struct Decision {
  std::vector<v1::Event> events;  // seq is not set yet; empty: nothing changes
  std::string id;                 // StartRun: the run, new or old
  std::vector<std::string> ids;   // StartRuns: the runs, new or old, in order of their index
};

// What this one command changes. A refusal's code and message go to the caller as they are.
Result<Decision> decide(const State& state, const World& world, const Command& command,
                        std::string_view actor);

// decide, apply, then Tick until nothing more follows (placements, steps of rollouts, kills that are due).
// The events are numbered and already applied; they are one transaction of the journal. A refusal
// leaves the state as it was. This is what the coordinator calls.
Result<Decision> advance(State& state, const World& world, const Command& command,
                         std::string_view actor = kSelf);

}  // namespace rekindle::core
