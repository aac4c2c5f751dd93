// What others are told of the state: an attempt the part of its plan that the state decides, the judgement of
// a model's next slot whom it is about. The same state gives the same bytes.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state.h"

namespace rekindle::core {

// Left to the caller: artifacts, checkpoints, threads_per_rank, start_nonce.
v1::Plan plan_of(const State& state, const v1::Run& run, uint32_t attempt);

// How a cause reads: "drift: psi of temp 0.41 over 0.25".
std::string cause_text(v1::Cause cause, std::string_view detail);

struct ToJudge {
  v1::JobSpec spec;
  uint64_t champion = 0;                                    // 0: none
  std::vector<std::pair<uint64_t, std::string>> manifests;  // by version
  std::vector<v1::Quarantine> quarantines;
  int64_t after_slot_us = 0;  // the newest that was judged
};

// Nothing while the model has no version.
std::optional<ToJudge> to_judge(const State& state, const std::string& model);

}  // namespace rekindle::core
