// The hang doctor: from the ranks' beats it tells which rank stands still, what it was doing and who waits
// for it; and which one keeps its peers waiting though it moves. Fed with beats and the monotonic time at
// which they were read; time during which the watcher itself did not run (a stopped daemon, a suspended
// host) is not held against anybody. Pure: no files, no clock.
//
// A rank that waits in a collective stands still as well, and is not the culprit: that is the rank which has
// begun fewer collectives. As long as that one moves, nobody hangs.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::coordinator {

struct Diagnosis {
  enum Kind {
    kAbsent,    // never beat: its start went wrong
    kStopped,   // beats no more: stopped, or gone without mpirun's notice
    kStuck,     // beats, but gets nowhere: a loop, a lock, a file that does not come
    kDeadlock,  // all wait in the same collective
    kSlow,      // moves, several times slower than its peers: told, never ended
  };
  Kind kind = kStuck;
  int rank = 0;  // kDeadlock: -1
  // "rank 1 stopped beating 10s ago, last heard in backward at step 40; rank 0 waits in collective 84 ..."
  std::string message;
};

class HangWatch {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  // `cold` bounds standing still before the first step, `warm` after it. Beats come once a second: standing
  // still is counted from the beat before, so that a fault is found within the limit, not after it.
  HangWatch(uint32_t world, Micros cold, Micros warm, Instant now);

  // The ranks are being started only now: what came before was waiting.
  void begin(Instant now);
  void beat(uint32_t rank, const v1::Beat& beat, Instant now);
  // After all new beats were fed. What it finds is to be ended.
  std::optional<Diagnosis> check(Instant now);
  // kSlow, from the share of beats that met a rank at work of its own rather than in a reduction.
  std::optional<Diagnosis> slowest() const;
  // "in backward at step 40 (collective 81)", as of the rank's last beat; empty: it never beat.
  std::string doing(uint32_t rank) const;

 private:
  struct Rank {
    v1::Beat last;
    bool beaten = false;
    Instant heard;     // last beat
    Instant advanced;  // last beat with more progress
    Instant before;    // the one before that: it stood still since then at the earliest
    uint32_t advances = 0;
    Micros longest{0};                  // between two advances
    std::array<uint32_t, 16> phases{};  // beats that met it in each phase of a step
  };
  bool warm() const;
  static bool judged(const Rank& rank);
  bool stands(const Rank& rank, Micros limit, Instant now) const;
  size_t behind(const std::vector<size_t>& among) const;
  std::string others(size_t culprit) const;
  Diagnosis stopped(size_t culprit, Instant now) const;
  Diagnosis stuck(size_t culprit, Instant now) const;

  std::vector<Rank> ranks_;
  Micros cold_;
  Micros warm_;
  Instant checked_;
};

}  // namespace rekindle::coordinator
