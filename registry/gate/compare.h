// The relative rule of the gate: is the candidate better than the champion, or where there is none than the
// constant answer, and how sure is that? Pure.
#pragma once

#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::registry {

// Sets gain, interval and detectable gain of the verdict too, as far as they are known.
v1::GateCheck compare(const v1::Gate& gate, const v1::Evaluation& evaluation, bool has_champion,
                      v1::Verdict& verdict);

}  // namespace rekindle::registry
