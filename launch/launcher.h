// Starts attempts and tells what became of them. The coordinator knows launchers only by this interface.
//
// An attempt is known by its folder; the records in it outlive coordinator and gang, so every call can be
// made by a coordinator that has just been restarted.
//
//   not_started --start--> [queued] --> alive --> [ending] --> ended   (the gang's exit.pb is there)
//                              |          |
//                              +----------+-----> lost    (proved dead without one, or proved never to start)
#pragma once

#include <optional>
#include <string>
#include <vector>

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
  // kQueued: handed over to a queue outside, which starts it in its own time. kEnding: exit.pb is there, but
  // not yet what that queue has to say of it: ranks on other nodes may live, or it ended them itself.
  enum Kind { kNotStarted, kQueued, kAlive, kEnding, kEnded, kLost };
  Kind kind = kNotStarted;
  std::optional<v1::GangRecord> gang;  // when it was written
  std::optional<v1::ExitRecord> exit;  // kEnded
  std::string detail;                  // kLost: the proof, in words; kQueued, kEnding: what it waits for
  // The class that fits, and `detail` why. kLost, unspecified: its node was lost; kEnded: as exit.pb says.
  v1::EndClass end = v1::END_UNSPECIFIED;
};

// What a launcher that asks its nodes has heard of one.
struct NodeSight {
  enum Kind {
    kUnheard,  // has not answered yet
    kAnswers,
    kSilent,  // has not answered for so long that nothing new should be placed there
  };
  std::string node;
  Kind kind = kUnheard;
  bool missed = false;      // its newest answer did not come
  std::string detail;       // why, as far as is known
  int64_t answered_us = 0;  // last, wall clock; 0: never
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
  // Of a pool whose nodes are asked; empty: they are not.
  virtual std::vector<NodeSight> nodes(const std::string&) { return {}; }
};

}  // namespace rekindle::launch
