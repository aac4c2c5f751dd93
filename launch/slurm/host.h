// What the launcher lives on: the time, a thread, and Slurm's commands. A simulation puts its own there.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/worker.h"
#include "runtime/capture.h"

namespace rekindle::launch::slurm {

struct Host {
  const Clock& clock;
  Hands* hands = nullptr;
  // Runs a command to its end, within the pool's time; `each` gets what it says. Empty: as a process.
  std::function<Result<runtime::Captured>(const std::vector<std::string>& argv,
                                          const std::function<void(std::string_view)>& each)>
      run;
};

inline Host this_host() {
  static const SystemClock clock;
  return {clock, nullptr, {}};
}

}  // namespace rekindle::launch::slurm
