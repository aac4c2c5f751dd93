// A launcher without processes, for tests: starts are recorded, ends are told by the test. Keeps the same
// records in the same folders as the real one, so that a new FakeLauncher on old folders sees what a
// restarted coordinator would.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "launch/launcher.h"

namespace rekindle::launch {

class FakeLauncher final : public Launcher {
 public:
  Status start(const AttemptFolder& folder) override;
  Status signal(const AttemptFolder& folder, Signal signal) override;
  Result<GangState> probe(const AttemptFolder& folder) override;

  // What the test says happened.
  void end(const AttemptFolder& folder, v1::ExitRecord record);
  void lose(const AttemptFolder& folder);                                  // the host went away
  void fail_starts(Status status) { start_failure_ = std::move(status); }  // ok: starts work again

  const std::vector<fs::path>& started() const { return started_; }
  const std::vector<std::pair<fs::path, Signal>>& signals() const { return signals_; }

 private:
  std::vector<fs::path> started_;
  std::vector<std::pair<fs::path, Signal>> signals_;
  std::set<fs::path> lost_;
  Status start_failure_;
};

}  // namespace rekindle::launch
