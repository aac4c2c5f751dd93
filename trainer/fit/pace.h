// How fast a rank goes: figures for Progress, from its own clock.
#pragma once

#include <chrono>
#include <cstdint>

#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

class Pace {
 public:
  // A fit that ran for `seconds_before` in earlier attempts goes on now.
  void start(double seconds_before);
  void step(uint64_t rows) { ++steps_, rows_ += rows; }

  double seconds() const;          // of training, earlier attempts included
  double rows_per_second() const;  // of this process
  bool due() const;                // for a report, twice a second
  // Fills in speed, memory and time to go; `steps_left` at most.
  void describe(uint64_t steps_left, v1::Progress& progress);

 private:
  using Clock = std::chrono::steady_clock;
  double here() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }

  double before_ = 0;
  uint64_t steps_ = 0, rows_ = 0;
  Clock::time_point begun_ = Clock::now(), reported_ = Clock::now();
};

uint64_t resident_bytes();  // of this process

}  // namespace rekindle::trainer
