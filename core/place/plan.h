// One pass over one pool: who starts now and where, who has which reservation, who must wait without one.
// Pure.
//
// Conservative backfill. Gangs are looked at in the queue's order; each gets the earliest seat that takes
// nothing from the seats of those before it, so no gang delays one that stands before it. Where a gang gets
// no seat (its start hangs on attempts that have no time limit), no later one may use the nodes that it
// could.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/place/cluster.h"

namespace rekindle::core::place {

struct Verdict {
  enum Kind {
    kStarts,      // now, on the seat
    kReserved,    // the seat is kept for it; start_us kUnknown: until somebody without a time limit leaves
    kNoSeat,      // after others, nobody can say when
    kImpossible,  // the pool never has that room, or has not while nodes are closed; blocks nobody
  };
  Kind kind = kNoSeat;
  Seat seat;
};

struct PlanOptions {
  // Gangs behind so many that wait are not looked at: none of them starts, and the pass stays short.
  size_t waiting_most = 200;
  // A pass that places more than this leaves the rest to the next.
  size_t starts_most = 500;
  // Reservations also when nothing more can start: for those who ask until when they wait.
  bool whole = false;
};

// `next` yields the gangs in the queue's order, nullopt at its end. Verdicts are in the same order, of those
// that were looked at.
std::vector<Verdict> plan(const Pool& pool, const std::vector<Held>& held,
                          const std::function<std::optional<Gang>()>& next, int64_t now_us,
                          const PlanOptions& options = {});

}  // namespace rekindle::core::place
