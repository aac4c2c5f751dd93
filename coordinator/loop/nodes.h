// What serving nodes last said of themselves. In memory only: after a restart they say it again within
// seconds, and until then a model that was being served is taken to have a node that is not ready, so that
// no rollout goes ahead on the silence.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "registry/rollout.h"
#include "rekindle/v1/run.pb.h"
#include "rekindle/v1/serving.pb.h"

namespace rekindle::coordinator {

// Nodes report once a second; heard within this, a node is live.
inline constexpr Seconds kNodeLive{10};
// expire() is called once a second; when nothing was asked for this long, the daemon itself stood still (it
// was stopped, or its host was), and nodes are not to blame that they went unheard.
inline constexpr Seconds kOwnPause{3};

class Nodes {
 public:
  explicit Nodes(const Clock& clock) : clock_(clock), awake_(clock.monotonic()) {}

  // Models that were being served before the restart.
  void presume(std::vector<std::string> models);
  void report(v1::NodeReport report);
  // Forgets nodes that went silent; true when one did.
  bool expire();

  std::vector<v1::NodeReport> live(const std::string& model) const;  // "": all
  size_t live_count() const;
  std::map<std::string, registry::ServingView> views() const;
  // Still waiting for those that were there before the restart.
  bool presumed(const std::string& model) const;
  // Least newest event time over live nodes that are not idle; nullopt: no such node.
  std::optional<int64_t> newest_event_us(const std::string& model) const;

 private:
  struct Heard {
    v1::NodeReport report;
    std::chrono::steady_clock::time_point at;
  };
  bool alive(const Heard& heard) const { return clock_.monotonic() - heard.at <= kNodeLive; }
  void forgive_own_pause() const;

  const Clock& clock_;
  // Mutable: a pause of this process is taken out of all times before they are looked at.
  mutable std::chrono::steady_clock::time_point awake_;
  mutable std::map<std::pair<std::string, std::string>, Heard> heard_;  // by model, node
  mutable std::map<std::string, std::chrono::steady_clock::time_point> presumed_;
};

}  // namespace rekindle::coordinator
