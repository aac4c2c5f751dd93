// Placing attempts: ranks, GPUs and rows of each.
#include <algorithm>
#include <map>
#include <set>

#include "core/decide/draft.h"
#include "core/place/outside.h"
#include "core/schedule.h"
#include "core/windows.h"
#include "jobs/task.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

// Ends that are overdue move as time goes by, and reservations with them: no pass is trusted for longer.
constexpr Seconds kRestMost{1};

// GPUs of each node that nobody holds, lowest first.
class FreeDevices {
 public:
  FreeDevices(const State& state, const std::string& pool, const place::Pool& nodes) {
    for (const place::Node& node : nodes.nodes)
      for (uint32_t device = 0; device < node.room.gpus; ++device) free_[node.name].insert(device);
    for (const RunId& id : state.working) {
      const v1::Run& run = state.runs.at(id);
      const v1::Attempt* attempt = live_attempt(run);
      if (!attempt || attempt->devices().empty() || pool_of(state, run) != pool) continue;
      for (const v1::NodeShare& share : shares_of(*attempt))
        for (uint32_t device : share.devices()) free_[share.node()].erase(device);
    }
  }
  uint32_t take(const std::string& node) {
    std::set<uint32_t>& devices = free_[node];
    CHECK(!devices.empty(), "the schedule hands out no more GPUs than are free");
    const uint32_t device = *devices.begin();
    devices.erase(devices.begin());
    return device;
  }

 private:
  std::map<std::string, std::set<uint32_t>> free_;
};

// What a first attempt trains on or scores, and against whom it will be judged.
Status choose_rows(const Draft& draft, const v1::Run& run, v1::AttemptPlaced& placed) {
  if (run.task() == v1::Plan::TRAIN && jobs::is_task(spec_of(draft.state, run))) return ok_status();
  const Selection selection =
      TRY(run.task() == v1::Plan::SCORE
              ? scored_rows(draft.state, run.dataset())
              : training_rows(draft.state, spec_of(draft.state, run), run.as_of_us(), run.changed_us()));
  *placed.mutable_windows() = selection.windows;
  placed.mutable_data()->Assign(selection.data.begin(), selection.data.end());
  // A run without publication is nobody's rival.
  const v1::ModelState* model = find_model(draft.state, run.job());
  if (run.publish() && model) placed.set_champion(registry::champion(*model));
  return ok_status();
}

const std::shared_ptr<const place::Cluster>& outside_of(const World& world) {
  return world.outside ? world.outside : world.cluster;
}

// Whether a pass would find what the one before has found.
bool rests(const Draft& draft, const std::string& pool) {
  const auto found = draft.state.rests.find(pool);
  return found != draft.state.rests.end() && draft.now_us() < found->second.until_us &&
         found->second.cluster == outside_of(draft.world);
}

void remember(Draft& draft, const Schedule& plan) {
  // In order of time: the first that lies ahead is the next whose delay is over.
  const auto delayed = draft.state.delayed.upper_bound({draft.now_us() + 1, RunId()});
  int64_t until_us = draft.now_us() + Micros(kRestMost).count();
  if (delayed != draft.state.delayed.end()) until_us = std::min(until_us, delayed->first);
  for (const auto& [pool, last] : plan.stopped) draft.rests[pool] = {last, until_us, outside_of(draft.world)};
}

}  // namespace

void place_runs(Draft& draft) {
  const place::Cluster& cluster = *draft.world.cluster;
  const Schedule plan = schedule(draft.state, cluster, draft.world.now,
                                 [&draft](const std::string& pool) { return rests(draft, pool); });
  remember(draft, plan);
  // The next round looks at the rest: what the policy remembers has changed.
  if (!plan.refused.empty()) {
    const Waiting& hopeless = plan.refused.front();
    return end_run(draft, draft.state.runs.at(hopeless.run), v1::FAILED_RUN, hopeless.reason);
  }
  std::map<std::string, FreeDevices> devices;
  for (const Placement& placement : plan.place) {
    const v1::Run& run = draft.state.runs.at(placement.run);
    const std::string& pool = pool_of(draft.state, run);
    v1::AttemptPlaced placed;
    placed.set_run(run.id());
    placed.set_attempt(static_cast<uint32_t>(run.attempts_size()) + 1);
    for (const place::Share& seat : placement.shares) {
      v1::NodeShare& share = *placed.add_shares();
      share.set_node(cluster.at(pool).nodes[seat.node].name);
      share.set_ranks(seat.ranks);
      placed.set_world(placed.world() + seat.ranks);
      if (gpus_per_rank(draft.state, run) == 0) continue;
      auto free = devices.try_emplace(pool, draft.state, pool, cluster.at(pool)).first;
      for (uint32_t i = 0; i < seat.ranks * gpus_per_rank(draft.state, run); ++i) {
        share.add_devices(free->second.take(share.node()));
        placed.add_devices(share.devices(static_cast<int>(i)));
      }
    }
    placed.set_slots(placed.world());
    placed.set_queues(placed.shares_size() > 0 && placed.shares(0).node() == place::kOutside);
    if (run.attempts_size() > 0) {
      // A retry goes on from the run's checkpoints: same rows, same windows, same champion.
      *placed.mutable_windows() = run.windows();
      *placed.mutable_data() = run.data();
      placed.set_champion(run.champion());
    } else if (Status chosen = choose_rows(draft, run, placed); !chosen.ok()) {
      return end_run(draft, run, v1::FAILED_RUN, chosen.message());
    }
    *draft.add().mutable_attempt_placed() = std::move(placed);
  }
}

}  // namespace rekindle::core
