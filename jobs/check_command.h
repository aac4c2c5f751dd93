// Rules of jobs whose script is the user's own: train.command with its code, environment and predictor.
#pragma once

#include "jobs/problems.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

// Of a resolved spec; for jobs of a built-in kind, that nothing of a script's is written.
void check_command(const v1::JobSpec& spec, Problems& problems);
// That a plain task (jobs/task.h) asks for nothing that takes rows or a version.
void check_task(const v1::JobSpec& spec, Problems& problems);

}  // namespace rekindle::jobs
