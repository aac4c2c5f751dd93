// Finds the rank that stands still. Fed with beats and the monotonic time at which they were read; time
// during which the watcher itself did not run (a stopped daemon, a suspended host) is not held against
// anybody.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::coordinator {

struct Hang {
  int rank = 0;
  std::string message;  // "rank 1 has made no progress for 15s in phase reduce at step 40"
};

class HangWatch {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  // `cold` bounds standing still before the first step, `warm` after it.
  HangWatch(uint32_t world, Micros cold, Micros warm, Instant now);

  void beat(uint32_t rank, const v1::Beat& beat, Instant now);
  // After all new beats were fed. The culprit is the rank whose beats stopped, else the one that has begun
  // the fewest collectives: the others wait for it.
  std::optional<Hang> check(Instant now);

 private:
  struct Rank {
    v1::Beat last;
    Instant heard;     // last beat
    Instant advanced;  // last beat with more progress
  };
  std::vector<Rank> ranks_;
  Micros cold_;
  Micros warm_;
  Instant checked_;
};

}  // namespace rekindle::coordinator
