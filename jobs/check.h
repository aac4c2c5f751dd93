// Rules that join several fields of a resolved spec; used by spec.cc and by candidates/check.cc.
#pragma once

#include "jobs/problems.h"
#include "rekindle/v1/dataset.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

void check_rules(const v1::JobSpec& spec, Problems& problems);
void check_rules(const v1::ImportSpec& spec, Problems& problems);

}  // namespace rekindle::jobs
