// A loop with a thread of its own: it takes a turn at its start, whenever it is woken, and when the time is
// over that its last turn named.
//
// Invariant: one turn at a time, and none once stop() has returned. In a simulation there are no threads:
// `Hands` takes the turns, in an order of its own.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/files.h"

namespace rekindle {

class Worker;

// Whoever takes the turns of workers that have no thread. A worker calls these on the thread that uses it.
class Hands {
 public:
  virtual ~Hands() = default;
  virtual void begin(Worker& worker) = 0;  // the first turn is due
  virtual void wake(Worker& worker) = 0;   // another is
  virtual void end(Worker& worker) = 0;    // none must follow
};

class Worker {
 public:
  // Does what there is to do, which may be nothing. Returns for how long it may rest unless it is woken;
  // nothing: until then.
  using Turn = std::function<std::optional<Micros>()>;

  // What `turn` uses must be there already. With `hands` it starts no thread. `watched`: a descriptor that
  // wakes it too, while it can be read from; -1: none.
  explicit Worker(Turn turn, Hands* hands = nullptr, int watched = -1);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void wake();  // from any thread
  void stop();  // after the turn that is under way
  std::optional<Micros> take_turn() { return turn_(); }

 private:
  void loop();

  const Turn turn_;
  Hands* const hands_;
  const int watched_;
  Fd woken_;  // an eventfd
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace rekindle
