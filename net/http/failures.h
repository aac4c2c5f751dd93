// How often each address came without a valid token, within a minute. Guessing one is hopeless; this keeps
// who tries from filling logs and counters, and says so. A valid token is never counted against anybody.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace rekindle::net {

inline constexpr int kFailuresMax = 20;

class Failures {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // One more; how many of this minute that makes.
  int note(const std::string& address, Moment now);

 private:
  Moment minute_{};
  std::map<std::string, int> counts_;  // bounded: what comes when it is full shares one entry
};

}  // namespace rekindle::net
