// Starts attempts and tells what became of them. The coordinator knows launchers only by this interface.
//
// An attempt is known by its folder; the records in it outlive coordinator and gang, so every call can be
// made by a coordinator that has just been restarted.
//
//   not_started --start--> [queued] --> alive --> ended   (the gang's exit.pb is there)
//                              |          |
//                              +----------+-----> lost    (proved dead without one, or proved never to start)
#pragma once

#include <optional>
#include <string>

#include "launch/attempt_folder.h"
#include "rekindle/v1/pool.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::launch {

enum class Signal {
  kYield,  // checkpoint and leave with 75
  kStop,   // end all ranks: told first, killed after the grace
  kKill,   // end all ranks at once
};

struct GangState {
  // kQueued: handed over to a queue outside, which starts it in its own time.
  enum Kind { kNotStarted, kQueued, kAlive, kEnded, kLost };
  Kind kind = kNotStarted;
  std::optional<v1::GangRecord> gang;      // when it was written
  std::optional<v1::ExitRecord> exit;      // kEnded
  std::string detail;                      // kLost: the proof, in words; kQueued: what it waits for
  v1::EndClass end = v1::END_UNSPECIFIED;  // kLost: the class that fits; unspecified: its node was lost
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts the gang of a folder that create() made. Harmless when it has been started already, whatever
  // became of it. Returns when the start has been handed over; probe() tells how it went.
  virtual Status start(const AttemptFolder& folder) = 0;
  // ok also when the gang has ended; not_found when it was never started. kKill also takes an attempt out of
  // a queue outside.
  virtual Status signal(const AttemptFolder& folder, Signal signal) = 0;
  virtual Result<GangState> probe(const AttemptFolder& folder) = 0;

  // The pools as they are from now on. Asked for before the first start, and after each change.
  virtual void use(const v1::PoolsFile&) {}
  // What keeps the launcher of a pool from working now; empty: nothing known.
  virtual std::string trouble(const std::string&) { return {}; }
};

}  // namespace rekindle::launch
