// rekindle-gang as UID:GID PROGRAM ...: becomes a program that takes itself for another user's.
//
// Slurm's commands send along whose process they are, and slurmctld refuses a job whose token is another's.
// So they are run in a user namespace that has one user, who is we outside and they inside. Nothing is won by
// it but the number: every file is still opened as ourselves. What they make is for the owner and the group.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rekindle::launch::slurm {

// Returns only when it failed: an exit code, with the reason on standard error.
int stand_in(std::string_view ids, const std::vector<std::string>& argv);

}  // namespace rekindle::launch::slurm
