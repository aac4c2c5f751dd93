// What answers a model's requests at one moment: the versions of one serving plan, loaded and warm.
//
// Immutable. A request takes the pointer once and is answered wholly by it; a swap is one store of a new
// pointer, and the old versions go when the last request lets go of them.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "rekindle/v1/serving.pb.h"
#include "serving/version.h"

namespace rekindle::serving {

struct Snapshot {
  v1::ServingPlan plan;
  Micros slot{Seconds(3600)};  // of the counts
  std::map<uint64_t, VersionPtr> versions;
  struct Share {
    uint64_t until;  // the version answers hashes below it, and from the share before
    VersionPtr version;
  };
  std::vector<Share> live;  // by version
  bool waits =
      false;  // a version answers from a process of its own: asking it is no work for the server's thread
  uint64_t parts = 0;  // sum of the shares: 10,000 but when a version of a first plan could not be loaded

  bool ready() const { return parts > 0; }
  // The live version that answers this request; the snapshot must be ready.
  const VersionPtr& choose(std::string_view request_id) const;
  // Named by the client, whatever its role; null when it is not loaded here.
  VersionPtr find(uint64_t version) const;
};

// Refuses plans that contradict themselves: no shares, shares that do not sum to 10,000, a version twice.
Status check_plan(const v1::ServingPlan& plan);

// The plan's versions as far as they are in `loaded`.
Snapshot make_snapshot(const v1::ServingPlan& plan, const std::map<uint64_t, VersionPtr>& loaded);

// A model as this node serves it. All calls are safe from any thread.
class ModelSlot {
 public:
  explicit ModelSlot(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }

  std::shared_ptr<const Snapshot> snapshot() const {
    std::lock_guard lock(mutex_);
    return snapshot_;
  }
  void swap(Snapshot next) {
    auto fresh = std::make_shared<const Snapshot>(std::move(next));
    std::lock_guard lock(mutex_);
    snapshot_.swap(fresh);
    // The old one is let go of after the lock, by `fresh`.
  }

  // A recorded request with this event time was answered.
  void note_request(int64_t event_us);
  int64_t newest_event_us() const { return newest_event_us_.load(); }
  // No recorded request for 60 s, or none since the start.
  bool idle() const;

 private:
  const std::string name_;
  // libstdc++ 12's atomic<shared_ptr> unlocks its readers without release: a race on weak memory models.
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::atomic<int64_t> newest_event_us_{0};
  std::atomic<std::chrono::steady_clock::rep> last_request_{0};  // 0: none
};

}  // namespace rekindle::serving
