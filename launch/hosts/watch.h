// Which hosts of a pool answer. Each is asked through the launch agent at the pool's pace, within its time
// and never while it is being asked; a bounded number of threads asks them all.
//
// A host that does not answer is no proof of anything about the attempts there: they are the gang's to judge.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "launch/launcher.h"
#include "rekindle/v1/hosts.pb.h"

namespace rekindle::launch {

class HostWatch {
 public:
  // `gang`: the program on the hosts.
  HostWatch(v1::HostsPool pool, std::string gang);
  ~HostWatch();  // ends the calls that are under way

  // In the inventory's order.
  std::vector<NodeSight> sights() const;
  // A gang lost it at that time: silent until it answers again.
  void doubt(const std::string& host, int64_t lost_us, const std::string& why);

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Heard {
    NodeSight sight;
    uint32_t misses = 0;  // in a row
    Instant due;          // to be asked
    bool asked = false;   // right now
  };
  void loop();
  std::map<std::string, Heard>::iterator next();  // nobody: all are being asked
  void hear(Heard& heard, int64_t asked_us, bool answered, const std::string& why);

  const v1::HostsPool pool_;
  const std::string gang_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Heard> heard_;
  bool stopping_ = false;
  std::atomic<bool> give_up_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rekindle::launch
