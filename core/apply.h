// apply: one event into the state. Total: it records what was decided and never refuses, so that old
// journals replay under new rules.
#pragma once

#include <string>

#include "core/state.h"

namespace rekindle::core {

void apply(State& state, const v1::Event& event);  // event.seq must be state.seq + 1

// The part of apply that concerns one model, for decisions whose later events build on earlier ones.
void apply_to_model(v1::ModelState& model, const v1::Event& event);

// The run and the model that an event is about; empty: none.
std::string run_of(const v1::Event& event);
std::string model_of(const v1::Event& event);

}  // namespace rekindle::core
