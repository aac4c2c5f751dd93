// What a spec may ask of a candidate beside being better: floors for slices, calibration, and what the
// serving program makes of it. Each asked-for rule gives at least one check; missing evidence is MISSING,
// never passed. Pure.
#pragma once

#include <vector>

#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::registry {

std::vector<v1::GateCheck> check_limits(const v1::Gate& gate, const v1::Evaluation& evaluation,
                                        bool has_champion);

}  // namespace rekindle::registry
