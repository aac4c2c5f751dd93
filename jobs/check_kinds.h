// Rules of the model kinds: which columns each reads, and which sizes go together.
#pragma once

#include "jobs/problems.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

void check_kind(const v1::JobSpec& spec, Problems& problems);

}  // namespace rekindle::jobs
