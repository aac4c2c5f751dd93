// What a job's candidates may be; used by check.cc alone.
#pragma once

#include "jobs/problems.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

// Each must be a spec of its own that would be taken, and another than the others.
void check_candidates(const v1::JobSpec& spec, Problems& problems);

}  // namespace rekindle::jobs
