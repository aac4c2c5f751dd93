// Rules of what starts a run by itself and of the rows that it learns from; used by check.cc alone.
#pragma once

#include "jobs/problems.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

void check_retrain(const v1::JobSpec& spec, Problems& problems);
void check_rows(const v1::JobSpec& spec, Problems& problems);

}  // namespace rekindle::jobs
