// The launcher that the coordinator has: hands each attempt to the launcher of its pool. Which one that is
// stands in the attempt's plan; how it launches is as pools.yaml says now.
#pragma once

#include <memory>

#include "launch/local.h"
#include "launch/slurm/host.h"
#include "launch/slurm/identity.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch {

// Knows no pool before use() was called. Thread-safe. `identities`: of owners, for pools that submit as
// those. A simulation says what launches on this host, and what the launchers for Slurm live on.
std::unique_ptr<Launcher> make_pool_launcher(LauncherOptions options, slurm::Identities identities,
                                             std::shared_ptr<Launcher> local = nullptr,
                                             slurm::Host host = slurm::this_host());

// What would be executed for a plan in this pool, for people.
std::string launch_text(const v1::Pool& pool, const LauncherOptions& options, const v1::Plan& plan,
                        const AttemptFolder& folder);

}  // namespace rekindle::launch
