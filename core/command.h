// Everything that the core can be asked or told. Requests of the API come as they are; observations say
// what was seen outside and may be repeated, late or stale: those change nothing.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/ids.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/array.pb.h"
#include "rekindle/v1/node.pb.h"

namespace rekindle::core {

// --- Wishes
struct Apply {
  v1::JobSpec spec;  // resolved and checked
  std::string spec_sha256;
};
struct StartRun {
  v1::StartRunRequest request;
};
// All of them, or none.
struct StartRuns {
  v1::StartRunsRequest request;
};
struct CancelRun {
  v1::CancelRunRequest request;
};
struct ApproveRun {
  v1::ApproveRunRequest request;
};
struct SetAlias {
  v1::SetAliasRequest request;
};
struct RollBack {
  v1::RollbackRequest request;
};
struct Freeze {
  v1::FreezeRequest request;
};
struct AddSnapshot {
  v1::DatasetSnapshot snapshot;
  // True: rows of a model that settled; false: an import. Neither may take the other's dataset name.
  bool settled = false;
};
struct ResolveQuarantine {
  v1::ResolveQuarantineRequest request;
};
struct ChangeNode {
  v1::ChangeNodeRequest request;
};

// --- A replay. The order for one advance of the clock, on which determinism rests:
// AdvanceReplay, AddSnapshot of each day that settled, JudgeWindow of each slot that was sealed.
struct BeginReplay {
  v1::BeginReplayRequest request;
};
struct AdvanceReplay {
  v1::AdvanceRequest request;
  // Answers (rows) of the version under rollout that the event store holds: everything before the new clock
  // was flushed, so this number depends on event time alone. Ends a bake together with the clock.
  uint64_t canary_answers = 0;
};
struct EndReplay {
  v1::EndReplayRequest request;
};

// --- Observations
struct JudgeWindow {
  v1::JudgedWindow window;
};
struct GangStarted {
  RunId run;
  uint32_t attempt = 0;
  v1::GangRecord gang;
};
// The launcher proves that the attempt is dead. `end` is what its files say; a kill that the core asked for
// overrides it.
struct AttemptEnded {
  RunId run;
  uint32_t attempt = 0;
  v1::EndClass end = v1::END_UNSPECIFIED;
  std::string message;
  std::optional<v1::Outcome> outcome;
  std::string node;  // where it went wrong, as far as is known
};
struct HangDetected {
  RunId run;
  uint32_t attempt = 0;
  std::string message;  // which rank, in which phase, for how long
  v1::EndClass end = v1::END_HANG;
  std::string node;  // of that rank, as far as is known
};
// Every file of the candidate's manifest was hashed again. A store that cannot be reached is no verdict:
// keep trying.
struct ArtifactsVerified {
  RunId run;
  std::string manifest;
  bool ok = false;
  std::string message;
};
// Look again: time has passed, or the World has changed (a node reported, came or went).
struct Tick {};

using Command =
    std::variant<Apply, StartRun, StartRuns, CancelRun, ApproveRun, SetAlias, RollBack, Freeze, AddSnapshot,
                 ResolveQuarantine, ChangeNode, BeginReplay, AdvanceReplay, EndReplay, JudgeWindow,
                 GangStarted, AttemptEnded, HangDetected, ArtifactsVerified, Tick>;

}  // namespace rekindle::core
