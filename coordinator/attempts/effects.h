// Does what the core wants done outside: launches and watches attempts, signals gangs, verifies candidates.
// And carries back what was seen. Level-triggered: the same effect comes again until an observation ends it,
// so each is done once at a time, by its key.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "artifacts/store.h"
#include "coordinator/attempts/attempt_thread.h"
#include "coordinator/core_loop.h"
#include "coordinator/pools.h"
#include "coordinator/state_folder.h"
#include "coordinator/task_threads.h"

namespace rekindle::coordinator {

struct EffectsOptions {
  fs::path artifacts;  // root that ranks read and write
  uint32_t threads_per_rank = 1;
  AttemptThreadOptions attempts;
};

// The newest that a running attempt said, for watchers; never journalled.
struct LiveProgress {
  v1::Progress progress;
  std::string note;   // a rank that is slower than its peers
  std::string queue;  // what it waits for in a queue outside
  std::map<std::string, v1::Metric> metrics;
  int64_t saved_us = 0;  // its last committed checkpoint, wall clock; 0: none yet
};

class Effects {
 public:
  Effects(CoreLoop& core, launch::Launcher& launcher, artifacts::Store& store, const StateFolder& folder,
          const Pools& pools, TaskThreads& pool, const Clock& clock, EffectsOptions options);
  ~Effects();

  void perform(const std::vector<core::Effect>& effects);  // on the core's thread
  const LiveProgress* progress(const std::string& run) const;
  std::map<RunId, int64_t> saved() const;  // runs whose attempt has committed a checkpoint, and when
  void stop();                             // leaves gangs running

  std::function<void(const Observation&)> on_observation;  // for metrics; on the core's thread

 private:
  void perform(const core::WritePlanAndLaunch& launch, const std::string& key);
  void perform(const core::WatchAttempt& watch, const std::string& key);
  void perform(const core::SignalAttempt& signal, const std::string& key);
  void perform(const core::VerifyArtifacts& verify, const std::string& key);
  void observe(const Observation& seen);
  std::string node_of(const AttemptId& id, std::optional<int> rank) const;  // empty: not known
  core::HangDetected hang_of(const Observation& seen) const;

  CoreLoop& core_;
  launch::Launcher& launcher_;
  artifacts::Store& store_;
  const StateFolder& folder_;
  const Pools& pools_;
  TaskThreads& pool_;
  const Clock& clock_;
  EffectsOptions options_;
  std::set<std::string> under_way_;                                          // by key
  std::map<std::string, std::chrono::steady_clock::time_point> not_before_;  // by key: repeats are paced
  std::map<std::string, LiveProgress> progress_;                             // by run
  AttemptThread attempts_;
};

}  // namespace rekindle::coordinator
