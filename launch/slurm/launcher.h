// Launches each attempt as a job of a Slurm cluster: sbatch of the one fixed script, whose place
// rekindle-gang takes on the first node and starts the ranks with srun.
//
// The attempt's folder says what became of the gang, as under every launcher. What Slurm says is asked for
// only while that is not enough: before the gang has begun, and when its lock is free without a record of its
// end. A job counts as over when Slurm says so and the lock is free; then the folder is barred under that
// lock, so that a job that turns up later starts nothing. Until then an attempt waits, however long Slurm is
// silent.
#pragma once

#include <memory>

#include "launch/local.h"
#include "launch/slurm/host.h"
#include "launch/slurm/identity.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch {

// `programs`: where the pool does not say it. `whose`: jobs are submitted in that name, by whose token it is
// at the time, and their folders are shared with that user; absent: as ourselves.
using Whose = std::function<Result<slurm::Identity>()>;
std::unique_ptr<Launcher> make_slurm_launcher(v1::Pool pool, LauncherOptions programs, Whose whose = {},
                                              slurm::Host host = slurm::this_host());

// What `rekindle plan` shows; `plan` need not have been written.
std::string slurm_launch_text(const v1::Pool& pool, const LauncherOptions& programs, const v1::Plan& plan,
                              const AttemptFolder& folder);

}  // namespace rekindle::launch
