// Which of a run's fits the gate gets to judge. Pure.
//
// The best by the gate's own metric on the validation rows, of which the gate sees none: its verdict on the
// holdout is that of a single candidate, however many were tried (docs/adr/0014).
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::registry {

using CandidateFits = google::protobuf::RepeatedPtrField<v1::CandidateFit>;

// Place of the best of those that were not passed over, of equals the first; -1: there is none.
int best_of(v1::Gate::Metric metric, const CandidateFits& fits);

// What a verdict tells of the choice, neither for nor against. One of the fits is the chosen one.
v1::GateCheck choice_told(v1::Gate::Metric metric, const CandidateFits& fits);

}  // namespace rekindle::registry
