// The scheduler: which waiting runs get which nodes now, who is asked to make way, and who grows. Pure; what
// each other run waits for is in core/queue.h, the rule of placement itself in core/place/.
//
// Gangs start all or none; an elastic one starts when its fewest ranks fit and takes what is left up to its
// most. Order within a pool: priority, then age, then number. Nobody starts at the cost of one who stands
// before it (conservative backfill by limits.attempt).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/place/plan.h"
#include "core/state.h"
#include "jobs/ranks.h"

namespace rekindle::core {

// A gang that comes back larger costs a checkpoint and a start, seconds in all; room that has just come
// free is mostly taken again at once, by a retry or the next run of a queue. A few times that cost is long
// enough to tell the two apart, and short beside any training that is worth more ranks.
inline constexpr Seconds kGrowAfter{15};
// Who would start this soon anyway asks nobody to make way.
inline constexpr Seconds kPatience{60};

struct Placement {
  RunId run;
  std::vector<place::Share> shares;  // of its pool's nodes
  uint32_t world() const { return place::Seat{0, shares}.ranks(); }
};
struct Waiting {
  RunId run;
  std::string reason;  // a sentence
};

struct Schedule {
  std::vector<Placement> place;  // in this order
  std::vector<Waiting> refused;  // never tried and impossible here: to be ended, they would wait for ever
  // Where a pass over a queue ended before its end and nobody starts: behind whom nobody was looked at, or
  // nullopt, that nobody was.
  std::map<std::string, std::optional<QueueKey>> stopped;
};

// What a pool has in all, or what of it is held.
struct Capacity {
  uint32_t slots = 0;
  uint32_t gpus = 0;
  bool operator==(const Capacity&) const = default;
};
Capacity capacity_of(const place::Cluster& cluster, const std::string& pool = place::kLocal);
Capacity used_now(const State& state, const std::string& pool = place::kLocal);

// Ranks that a run may have; scoring takes one.
jobs::RankRange ranks_wanted(const State& state, const v1::Run& run);
// GPUs of each rank; scoring takes none.
uint32_t gpus_per_rank(const State& state, const v1::Run& run);
// Why its pool may not launch it in its owner's name, and what to do; empty: it may.
std::string not_in_its_name(const State& state, const v1::Run& run, const place::Pool& pool, Time now);
// The same for the rule of placement: with labels, memory, time limit and a retry's delay.
place::Gang gang_of(const State& state, const v1::Run& run);
// What the live attempts of a pool hold, with the runs in the same order.
std::vector<place::Held> held_now(const State& state, const std::string& pool, const place::Pool& nodes,
                                  Time now, std::vector<RunId>* runs = nullptr);

// What a job lacks in its pool, and what to do; empty: its GPUs are there.
std::string gpus_missing(const v1::JobSpec& spec, const place::Cluster& cluster);

// Pools of which `rests` says so are passed over: nobody starts there.
Schedule schedule(const State& state, const place::Cluster& cluster, Time now,
                  const std::function<bool(const std::string& pool)>& rests = {});

// An attempt that is to save and leave so that another run, of higher priority, can start.
struct Eviction {
  RunId run;
  RunId makes_way_for;
  double lost = 0;  // rank-seconds since its last durable checkpoint
};
// For the first that waits in each pool, if it may ask; nobody while others are still leaving.
std::vector<Eviction> evictions(const State& state, const place::Cluster& cluster,
                                const std::map<RunId, int64_t>& saved_us, Time now);

// An elastic gang that should come back with more ranks: room is free and nobody in its pool waits for it.
struct Growth {
  RunId run;
  uint32_t from = 0;
  uint32_t to = 0;
  int64_t due_us = 0;  // not before: kGrowAfter after the newest change of who holds and who waits
};
// One at a time: its end changes what is free.
std::optional<Growth> growth(const State& state, const place::Cluster& cluster);
// Ranks that the live attempt could have, were it placed again now.
uint32_t ranks_possible(const State& state, const place::Cluster& cluster, const v1::Run& run);

}  // namespace rekindle::core
