// The scheduler: which waiting runs get this host's slots now, and why each other one waits. Pure.
//
// Gangs start all or none. Order: priority, then age, then number. The first run that could start but for
// slots is the head of the queue: nothing behind it starts before it (no backfill that delays the head).
#pragma once

#include <string>
#include <vector>

#include "core/state.h"

namespace rekindle::core {

struct Waiting {
  RunId run;
  std::string reason;  // a sentence
};

struct Schedule {
  std::vector<RunId> place;      // in this order
  std::vector<Waiting> waiting;  // every other queued run
  uint32_t slots_used = 0;       // by attempts that are placed or started, before `place`
};

// Slots that a run's gang takes: one per rank; scoring takes one.
uint32_t slots_needed(const v1::Run& run);

Schedule schedule(const State& state, uint32_t slots, Time now);

}  // namespace rekindle::core
