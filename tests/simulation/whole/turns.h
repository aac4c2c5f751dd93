// The threads of a simulated process: none. Whoever drives the simulation picks which loop takes its turn
// next.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/worker.h"

namespace rekindle::whole {

using Instant = std::chrono::steady_clock::time_point;

class Turns final : public Hands {
 public:
  explicit Turns(const Clock& clock) : clock_(clock) {}

  void begin(Worker& worker) override;
  void wake(Worker& worker) override;
  void end(Worker& worker) override;

  size_t due() const;                   // loops whose turn is due
  void take(size_t nth);                // the turn of one of these, oldest loop first
  std::optional<Instant> next() const;  // when the next turn is due

 private:
  struct Loop {
    Worker* worker = nullptr;
    std::optional<Instant> due;
  };
  Loop* find(const Worker& worker);

  const Clock& clock_;
  std::vector<Loop> loops_;
};

}  // namespace rekindle::whole
