// Follows the serving plans: loads what they name in the background and swaps when all of it is ready.
//
// Owns the model slots and one thread. A plan comes into force as a whole: its live versions are loaded,
// verified and warm before any request reaches one; until then, and for good when one of them fails, the
// plan before it goes on. The last plan that came wholly into force is kept in the state folder and answers
// after a restart, whoever else is away. A version that failed is tried again every `retry` while wanted; so
// is one whose process was given up, which until then gets no more requests.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "rekindle/v1/serving.pb.h"
#include "serving/snapshot.h"

namespace rekindle::serving {

struct FollowerOptions {
  fs::path folder;                  // of the kept plans
  std::vector<std::string> models;  // served here; empty: every model that a plan comes for
  std::chrono::milliseconds retry{30'000};
  std::chrono::milliseconds look{1'000};  // between two looks at the processes of loaded versions
};

// Seams to the world, replaced in tests.
struct FollowerHooks {
  std::function<Result<VersionPtr>(const std::string& model, const v1::PlannedVersion&)> load;
  std::function<void(const std::vector<std::string>& manifests)> retain;  // what is still needed on disk
  std::function<void()> changed;  // a report would say something new; called without a lock held
};

class Follower {
 public:
  Follower(FollowerOptions options, FollowerHooks hooks);
  ~Follower();

  // Loads the kept plans, in the caller's thread; what cannot be loaded is logged and left to the
  // coordinator.
  void restore();
  void start();
  void stop();

  // The newest plan of a model; plans of models that are not served here are ignored.
  void follow(const v1::ServingPlan& plan);

  // Null: no such model here. Stays valid as long as the follower.
  ModelSlot* find(std::string_view model) const;
  std::vector<ModelSlot*> slots() const;
  // One per model: revision in force, versions with their health, newest event time, idle.
  std::vector<v1::NodeReport> reports() const;
  uint64_t swaps() const;
  // Of the loaded versions that have one.
  struct Process {
    std::string model;
    uint64_t version;
    models::ProcessFigures figures;
  };
  std::vector<Process> processes() const;
  // Whether a plan shares live requests out to several versions: somebody is judging one of them.
  bool splits_traffic() const;

 private:
  struct Attempt {
    v1::VersionHealth::State state = v1::VersionHealth::LOADING;
    std::string manifest;
    std::string message;
    std::chrono::steady_clock::time_point due{};  // LOADING: at once
  };
  struct Followed {
    std::unique_ptr<ModelSlot> slot;
    v1::ServingPlan wanted;
    uint64_t in_force = 0;                 // revision; 0: none
    std::string kept;                      // the plan as it lies in the state folder
    std::string to_keep;                   // the plan that should lie there
    std::map<uint64_t, Attempt> attempts;  // of the wanted versions
    std::map<uint64_t, VersionPtr> loaded;
  };

  bool served(const std::string& model) const;
  Followed& followed(const std::string& model);
  void want(Followed& model, const v1::ServingPlan& plan);
  void run();
  bool load_next(std::unique_lock<std::mutex>& lock);
  bool keep_next(std::unique_lock<std::mutex>& lock);
  std::chrono::steady_clock::time_point next_due() const;
  bool drop_given_up(std::unique_lock<std::mutex>& lock);
  void finish_load(const std::string& model, const v1::PlannedVersion& planned, Result<VersionPtr> loaded);
  void settle(Followed& model);
  std::vector<std::string> needed() const;
  fs::path kept_path(const std::string& model) const { return options_.folder / (model + ".pb"); }

  const FollowerOptions options_;
  const FollowerHooks hooks_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Followed, std::less<>> models_;  // never shrinks
  // What requests look at, so that none ever waits for a plan's bookkeeping.
  mutable std::mutex slots_mutex_;
  std::map<std::string, ModelSlot*, std::less<>> slots_;
  uint64_t swaps_ = 0;
  bool news_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rekindle::serving
