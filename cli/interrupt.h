// Ctrl-C while a verb waits: ends the call in progress, once, so that the verb can say what goes on without
// it. A second Ctrl-C ends the process.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace rekindle::cli {

// Made before any other thread of the process: they must inherit the blocked signals.
class Interrupt {
 public:
  // `on_interrupt` runs on a thread of its own.
  explicit Interrupt(std::function<void()> on_interrupt);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;

  bool happened() const { return happened_.load(); }

 private:
  void watch();

  std::function<void()> on_interrupt_;
  std::atomic<bool> happened_{false};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace rekindle::cli
