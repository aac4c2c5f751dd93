// One program that the gang starts, with everything that comes to live below it, from its start to the end of
// the last process that it left. A gang runs one (the ranks) or, for a command job, several after another;
// wishes to leave outlast each.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/process.h"
#include "launch/gang/gang.h"
#include "launch/report_log.h"

namespace rekindle::launch {

// The signals that a gang waits for; blocked from its first moment on.
void block_gang_signals();

class Ranks {
 public:
  struct Waiting {
    // Whether SIGUSR1 may be handed on yet.
    std::function<bool()> ready;
    // A wish to yield ends it at once: it has nothing to save.
    bool ends_on_yield = false;
    // Called each second; empty: nobody is to be told anything.
    std::function<void()> each_second;
  };

  explicit Ranks(const GangOptions& options) : options_(options) {}

  Status start(const SpawnOptions& spawning);
  // The same for a part that is a function of this program.
  Status start(const std::function<int()>& body, const SpawnOptions& spawning);
  // Until it has ended, by itself or by our doing.
  void wait(const Waiting& waiting);
  // Ends what it left behind. False when something will not die (a disk that hangs) in ten seconds.
  bool sweep();

  // How it ended, as waitpid gave it.
  int status() const { return leader_end_.value_or(0); }
  bool yield_wanted() const { return yield_wanted_; }
  bool stopped() const { return stopped_; }
  void note(std::string_view text);
  const std::string& notes() const { return note_; }

 private:
  std::chrono::milliseconds time_to_wait(const Waiting& waiting) const;
  void on_signal(int signal);
  void reap();
  static bool kill_descendants();

  const GangOptions& options_;
  pid_t leader_ = 0;
  std::optional<int> leader_end_;
  bool yield_wanted_ = false;
  bool yield_sent_ = false;
  bool stopped_ = false;
  std::optional<std::chrono::steady_clock::time_point> stop_at_;
  std::string note_;
};

}  // namespace rekindle::launch
