// Placing attempts: ranks, GPUs and rows of each.
#include <set>

#include "core/decide/draft.h"
#include "core/schedule.h"
#include "core/windows.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

// GPUs that nobody holds, lowest first.
std::set<uint32_t> free_devices(const Draft& draft) {
  std::set<uint32_t> devices;
  for (uint32_t device = 0; device < draft.world.gpus; ++device) devices.insert(device);
  for (const RunId& id : draft.state.active)
    if (const v1::Attempt* attempt = live_attempt(draft.state.runs.at(id)))
      for (uint32_t device : attempt->devices()) devices.erase(device);
  return devices;
}

// What a first attempt trains on or scores, and against whom it will be judged.
Status choose_rows(const Draft& draft, const v1::Run& run, v1::AttemptPlaced& placed) {
  const Selection selection =
      TRY(run.task() == v1::Plan::SCORE ? scored_rows(draft.state, run.dataset())
                                        : training_rows(draft.state, run.spec(), run.as_of_us()));
  *placed.mutable_windows() = selection.windows;
  placed.mutable_data()->Assign(selection.data.begin(), selection.data.end());
  // A run without publication is nobody's rival.
  const v1::ModelState* model = find_model(draft.state, run.job());
  if (run.publish() && model) placed.set_champion(registry::champion(*model));
  return ok_status();
}

}  // namespace

void place_runs(Draft& draft) {
  const Schedule plan = schedule(draft.state, draft.world.capacity(), draft.world.now);
  // The next round looks at the rest: what the policy remembers has changed.
  if (!plan.refused.empty()) {
    const Waiting& hopeless = plan.refused.front();
    return end_run(draft, draft.state.runs.at(hopeless.run), v1::FAILED_RUN, hopeless.reason);
  }
  std::set<uint32_t> devices = free_devices(draft);
  for (const Placement& placement : plan.place) {
    const v1::Run& run = draft.state.runs.at(placement.run);
    v1::AttemptPlaced placed;
    placed.set_run(run.id());
    placed.set_attempt(static_cast<uint32_t>(run.attempts_size()) + 1);
    placed.set_slots(placement.world);
    placed.set_world(placement.world);
    for (uint32_t i = 0; i < placement.world * gpus_per_rank(run); ++i) {
      CHECK(!devices.empty(), "the schedule hands out no more GPUs than are free");
      placed.add_devices(*devices.begin());
      devices.erase(devices.begin());
    }
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
