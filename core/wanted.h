// wanted: the outside acts that a state asks for. Level-triggered: asked after each commit and once after
// a restart; an effect stays wanted until an observation says that it happened, so doing one twice must be
// harmless, and its key says which are the same. Effects of one attempt are done one after the other.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/state.h"

namespace rekindle::core {

// Write the attempt's plan (the same bytes each time) and start its gang, unless it was started already.
// Ends with GangStarted, or AttemptEnded{END_LAUNCH_FAILED}.
struct WritePlanAndLaunch {
  RunId run;
  uint32_t attempt = 0;
};
// Follow the attempt's folder: report AttemptEnded when the launcher proves its end, HangDetected by the
// limits. Wanted from placement on; also how a restart adopts running attempts.
struct WatchAttempt {
  RunId run;
  uint32_t attempt = 0;
};
// Only for a gang that started. Repeating a signal is harmless.
struct SignalAttempt {
  RunId run;
  uint32_t attempt = 0;
  v1::AttemptSignalled::Signal signal = v1::AttemptSignalled::SIGNAL_UNSPECIFIED;
};
// Hash every file of the candidate again; ends with ArtifactsVerified. In a replay it is wanted only once
// the clock has passed as_of by run_takes.
struct VerifyArtifacts {
  RunId run;
  std::string manifest;
};

using Effect = std::variant<WritePlanAndLaunch, WatchAttempt, SignalAttempt, VerifyArtifacts>;

std::vector<Effect> wanted(const State& state, Time now);
std::string effect_key(const Effect& effect);  // "launch/flight-delay-3/1"

// When a Tick is due next, if nothing else happens before. nullopt: nothing waits for time.
std::optional<Time> next_wake(const State& state, const place::Cluster& cluster, Time now);

}  // namespace rekindle::core
