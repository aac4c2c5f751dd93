#include "tests/simulation/whole/local.h"

#include "launch/gang_lock.h"

namespace rekindle::whole {

using launch::GangState;
using std::chrono::milliseconds;

Status LocalLauncher::start(const launch::AttemptFolder& folder) {
  outside_.maybe_crash(10, "before a start");
  TRY(folder.read_plan());
  if (fs::exists(folder.gang()) || fs::exists(folder.exit()) || TRY(launch::gang_lock_held(folder)))
    return ok_status();
  if (outside_.fault(4)) return unavailable("fork: Resource temporarily unavailable");
  // A host that swaps brings it up long after.
  const milliseconds most(outside_.fault(4) ? 70'000 : 2000);
  gangs_.spawn(folder, 0, outside_.between(milliseconds(0), most));
  if (outside_.fault(3)) gangs_.spawn(folder, 0, outside_.between(milliseconds(0), milliseconds(2000)));
  outside_.maybe_crash(20, "after a start");
  return ok_status();
}

Status LocalLauncher::signal(const launch::AttemptFolder& folder, launch::Signal signal) {
  outside_.maybe_crash(10, "before a signal");
  if (!TRY(folder.read_gang()).has_value()) return not_found("no gang has started yet");
  if (const auto gang = gangs_.find(folder.root()); gang && !outside_.fault(10)) gangs_.signal(*gang, signal);
  return ok_status();
}

Result<GangState> LocalLauncher::probe(const launch::AttemptFolder& folder) {
  if (outside_.fault(1)) return unavailable("Stale file handle");
  GangState state;
  state.exit = TRY(launch::whole_exit(folder));
  state.gang = TRY(folder.read_gang());
  if (state.exit.has_value()) {
    state.kind = GangState::kEnded;
  } else if (TRY(launch::gang_lock_held(folder))) {
    state.kind = GangState::kAlive;
  } else if (state.gang.has_value()) {
    const auto gang = gangs_.find(folder.root());
    const bool remains = gang && gang->live();
    state.kind = remains ? GangState::kAlive : GangState::kLost;
    state.detail = "its lock is free, and it left no exit record";
  }
  return state;
}

}  // namespace rekindle::whole
