// Starts attempts and tells what became of them. The coordinator knows launchers only by this interface.
//
// An attempt is known by its folder; the records in it outlive coordinator and gang, so every call can be
// made by a coordinator that has just been restarted.
//
//   not_started --start--> alive --> ended   (exit.pb is there)
//                            |
//                            +-----> lost    (proved dead without exit.pb: killed, or the host restarted)
#pragma once

#include <optional>
#include <string>

#include "launch/attempt_folder.h"

namespace rekindle::launch {

enum class Signal {
  kYield,  // checkpoint and leave with 75
  kStop,   // end all ranks: told first, killed after the grace
  kKill,   // end all ranks at once
};

struct GangState {
  enum Kind { kNotStarted, kAlive, kEnded, kLost };
  Kind kind = kNotStarted;
  std::optional<v1::GangRecord> gang;  // when it was written
  std::optional<v1::ExitRecord> exit;  // kEnded
  std::string detail;                  // kLost: the proof, in words
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts the gang of a folder that create() made. Harmless when it has been started already, whatever
  // became of it. Returns when the start has been handed over; probe() tells how it went.
  virtual Status start(const AttemptFolder& folder) = 0;
  // ok also when the gang has ended; not_found when it was never started.
  virtual Status signal(const AttemptFolder& folder, Signal signal) = 0;
  virtual Result<GangState> probe(const AttemptFolder& folder) = 0;
};

}  // namespace rekindle::launch
