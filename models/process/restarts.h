// When a predictor that died is started again, and when it is given up. Pure.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

namespace rekindle::models {

class Restarts {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Wait = std::chrono::milliseconds;

  // This many deaths within kWindow: it will not live.
  static constexpr size_t kDeathsMax = 5;
  static constexpr std::chrono::seconds kWindow{60};
  // One that never was ready is given up sooner: nobody is served meanwhile.
  static constexpr size_t kFirstStartsMax = 3;

  // How long to wait before the next start: nothing after the first death in a while, since a request may be
  // waiting; then 100 ms, doubled each time. No value: give up.
  std::optional<Wait> after_death(Time now) {
    deaths_.push_back(now);
    while (deaths_.front() + kWindow < now) deaths_.pop_front();
    if (deaths_.size() >= (been_ready_ ? kDeathsMax : kFirstStartsMax)) return std::nullopt;
    return deaths_.size() == 1 ? Wait(0) : Wait(50u << (deaths_.size() - 1));
  }
  void ready() { been_ready_ = true; }
  bool been_ready() const { return been_ready_; }

 private:
  std::deque<Time> deaths_;
  bool been_ready_ = false;
};

}  // namespace rekindle::models
