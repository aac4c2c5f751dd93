// Time as the project uses it: event and wall time are UTC instants in microseconds since 1970;
// intervals that bound waiting are monotonic. Pure code never asks a clock, it is told the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

using Micros = std::chrono::microseconds;
using Seconds = std::chrono::seconds;
using Time = std::chrono::time_point<std::chrono::system_clock, Micros>;

inline Time time_from_micros(int64_t micros) {
  return Time(Micros(micros));
}
inline int64_t to_micros(Time time) {
  return time.time_since_epoch().count();
}

// "2013-02-01T10:00:00Z"; fractions of a second only when there are any.
std::string format_time(Time time);
// Accepts "2013-02-01", "2013-02-01T10:00", "2013-02-01T10:00:00[.ffffff][Z|+hh:mm]". UTC when no zone is
// named.
Result<Time> parse_time(std::string_view text);

// What the daemons read and tests replace.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time wall() const = 0;
  virtual std::chrono::steady_clock::time_point monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time wall() const override;
  std::chrono::steady_clock::time_point monotonic() const override;
};

// Stands still until told otherwise; for tests and the simulator.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : wall_(start) {}
  Time wall() const override { return wall_; }
  std::chrono::steady_clock::time_point monotonic() const override { return monotonic_; }
  void advance(Micros by);
  void jump_wall(Time to) { wall_ = to; }

 private:
  Time wall_;
  std::chrono::steady_clock::time_point monotonic_{};
};

}  // namespace rekindle
