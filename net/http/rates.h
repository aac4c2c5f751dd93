// How fast one submitter's token may change things: a bucket that fills evenly, so that a script gone wild
// waits while others are served as before. Operators and admins are not held back: they answer for the whole.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace rekindle::net {

// A sweep of some hundred runs passes at once; a loop without an end does not.
inline constexpr double kCallsAtOnce = 500;
inline constexpr double kCallsPerSecond = 50;

class Rates {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // Whether one more call by the token of that name is in time.
  bool take(const std::string& name, Moment now);

 private:
  struct Bucket {
    double left = kCallsAtOnce;
    Moment at{};
  };
  std::map<std::string, Bucket> buckets_;  // by token: as many as were ever given
};

}  // namespace rekindle::net
