// Rules of how a model is fitted: which settings of the engine go together.
#pragma once

#include "jobs/problems.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

void check_fit(const v1::JobSpec& spec, Problems& problems);

}  // namespace rekindle::jobs
