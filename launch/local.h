// Launches gangs on this host: rekindle-gang in a session of its own, which outlives the coordinator; or one
// gang that is waited for, and ends with whoever started it.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "launch/launcher.h"

namespace rekindle::launch {

struct LauncherOptions {
  // Empty: siblings of the calling program's own binary.
  fs::path gang_program;
  fs::path trainer_program;
  // Gangs come from a process that is kept loaded (launch/warm), from the first use() of a pool on this host.
  bool warm = false;
  // From kStop to SIGKILL.
  std::chrono::milliseconds stop_grace{30'000};
  // Of the coordinator's own: no run sees them, but for what it needs in them.
  std::vector<fs::path> hidden;
};

// With the siblings filled in.
LauncherOptions with_programs(LauncherOptions options);

std::unique_ptr<Launcher> make_local_launcher(LauncherOptions options);

// Starts the gang of a folder that create() made, as the launcher does, and returns when it has ended, with
// what a launcher would tell of it then: kEnded or kLost. The gang and all of its processes end with the
// calling thread.
Result<GangState> run_gang_here(const LauncherOptions& options, const AttemptFolder& folder);

}  // namespace rekindle::launch
