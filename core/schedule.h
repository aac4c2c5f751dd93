// The scheduler: which waiting runs get this host's slots and GPUs now, and why each other one waits. Pure.
//
// Gangs start all or none; an elastic one starts when its fewest ranks fit and takes what is left up to its
// most. Order: priority, then age, then number. The first run that could start but for room is the head of
// the queue: nothing behind it starts before it (no backfill that delays the head), and no elastic gang
// takes what would keep the head waiting for that gang's end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/state.h"
#include "jobs/ranks.h"

namespace rekindle::core {

// A gang that comes back larger costs a checkpoint and a start, seconds in all; room that has just come
// free is mostly taken again at once, by a retry or the next run of a queue. A few times that cost is long
// enough to tell the two apart, and short beside any training that is worth more ranks.
inline constexpr Seconds kGrowAfter{15};

struct Placement {
  RunId run;
  uint32_t world = 1;
};
struct Waiting {
  RunId run;
  std::string reason;  // a sentence
};

struct Schedule {
  std::vector<Placement> place;  // in this order
  std::vector<Waiting> waiting;  // queued runs that wait
  std::vector<Waiting> refused;  // never tried and impossible here: to be ended, they would wait for ever
};

// Ranks that a run may have; scoring takes one.
jobs::RankRange ranks_wanted(const v1::Run& run);
// GPUs of each rank; scoring takes none.
uint32_t gpus_per_rank(const v1::Run& run);

// Held by attempts that are placed or started.
Capacity used_now(const State& state);

// What a job lacks on this host, and what to do; empty: its GPUs are there.
std::string gpus_missing(const v1::JobSpec& spec, Capacity capacity);

Schedule schedule(const State& state, Capacity capacity, Time now);

// An elastic gang that should come back with more ranks: room is free and nobody on this host waits for it.
struct Growth {
  RunId run;
  uint32_t from = 0;
  uint32_t to = 0;
  int64_t due_us = 0;  // not before: kGrowAfter after the newest change of who holds and who waits
};
// One at a time: its end changes what is free.
std::optional<Growth> growth(const State& state, Capacity capacity);
// Ranks that the live attempt could have, were it placed again now.
uint32_t ranks_possible(const State& state, Capacity capacity, const v1::Run& run);

}  // namespace rekindle::core
