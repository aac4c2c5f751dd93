// Launches on a pool of hosts: rekindle-gang here, beside the coordinator, and its ranks there, by mpirun
// through the pool's agent.
//
// So a gang is adopted, signalled and proved dead as one on this host is, by its lock and its process. That a
// host went away the gang sees by mpirun's end. A gang that died without a word has its hosts swept before it
// counts as lost; on a host that does not answer the ranks end themselves once they see its lock free.
#pragma once

#include <memory>

#include "launch/local.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch {

std::unique_ptr<Launcher> make_hosts_launcher(v1::Pool pool, LauncherOptions programs);

// What `rekindle plan` shows; `plan` need not have been written.
std::string hosts_launch_text(const v1::Pool& pool, const LauncherOptions& programs, const v1::Plan& plan,
                              const AttemptFolder& folder);

}  // namespace rekindle::launch
