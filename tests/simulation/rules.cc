#include "tests/simulation/rules.h"

#include <fmt/format.h>

#include "core/queue.h"
#include "jobs/retry.h"

namespace rekindle::core::testing {

bool legal(v1::RunState from, v1::RunState to) {
  // A person may override a rejection: the verdict is told, then the version.
  if (from == v1::REJECTED) return to == v1::REJECTED || to == v1::PUBLISHED;
  if (from == to) return !terminal(from);
  switch (from) {
    case v1::QUEUED:
      return to == v1::RUNNING || to == v1::CANCELLED || to == v1::FAILED_RUN;
    case v1::RUNNING:
      return to == v1::QUEUED || to == v1::JUDGING || to == v1::CANCELLED || to == v1::FAILED_RUN;
    case v1::JUDGING:
      return to == v1::QUEUED || to == v1::HELD || to == v1::PUBLISHED || to == v1::REJECTED ||
             to == v1::COMPLETED || to == v1::CANCELLED || to == v1::FAILED_RUN;
    case v1::HELD:
      return to == v1::PUBLISHED || to == v1::CANCELLED;
    default:
      return false;
  }
}

bool ever_fits(const place::Cluster& cluster, const State& state, const v1::Run& run) {
  const auto pool = cluster.find(pool_of(state, run));
  const place::Gang gang = gang_of(state, run);
  return pool != cluster.end() && place::ranks_in(pool->second, gang, false) >= gang.min;
}

void over_budget(const State& state, std::vector<std::string>& problems) {
  for (const auto& [id, run] : state.runs) {
    const v1::Limits& limits = spec_of(state, run).train().limits();
    const jobs::RetryCounts spent = jobs::counts_of(run);
    auto within = [&, name = id.value](std::string_view what, uint32_t count, uint32_t budget) {
      if (count > budget)
        problems.push_back(
            fmt::format("{} was tried again {} times after {}, {} were allowed", name, count, what, budget));
    };
    within("a crash", spent.crash, limits.crash_retries());
    within("a lost node", spent.node, limits.node_retries());
    within("want of memory", spent.memory, limits.memory_retries());
    within("a hang", spent.hang, limits.hang_retries());
    within("making way", spent.preempted, limits.preempted_retries());
    within("damage", spent.data, limits.data_retries());
    within("a failed launch", spent.launcher, limits.launcher_retries());
  }
}

}  // namespace rekindle::core::testing
