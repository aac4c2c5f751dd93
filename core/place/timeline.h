// The free room of a pool over time: a step function for each node, from now to kForever, and one for the
// gangs that it may still take.
//
// Invariant: what is taken is never handed out again; a node that holds more than it has (it shrank) is full,
// and so is a pool with more gangs than it may have.
#pragma once

#include <optional>

#include "core/place/cluster.h"

namespace rekindle::core::place {

class Timeline {
 public:
  Timeline(const Pool& pool, int64_t now_us);

  void take(const std::vector<Share>& shares, const Room& rank, int64_t from_us, int64_t until_us);

  // What gangs hold now, until their ends.
  void hold(const std::vector<Held>& held);
  // One gang more, beside what it takes.
  void admit(int64_t from_us, int64_t until_us);

  // The earliest seat for the gang's fewest ranks that lasts as long as its limit; at most kUnknown. Of the
  // seats at that time the one on the fewest nodes, and there the tightest. nullopt: never, as far as is
  // known. `from_us`: somebody knows that it is not before.
  std::optional<Seat> earliest(const Gang& gang, int64_t from_us = 0) const;
  // Ranks beyond those of a seat that begins now, up to the gang's most: on its own nodes first.
  // `closed_too`: also on nodes that are closed for gangs that come later than this one.
  void widen(Seat& seat, const Gang& gang, bool closed_too);

  // Gangs that come later get no seat on what this one could use.
  void close_for(const Gang& gang);
  // Whether any node could take a rank of another gang at once.
  bool any_room_now() const;
  bool open(uint32_t node) const { return open_[node]; }

 private:
  struct Step {
    int64_t at_us = 0;  // until the next step
    // Signed: a node that shrank may hold more than it has.
    int64_t slots = 0, gpus = 0, memory = 0;
  };
  using Steps = std::vector<Step>;

  uint32_t ranks_at(uint32_t node, const Gang& gang, int64_t from_us, int64_t until_us) const;
  uint32_t ranks_of(uint32_t node, const Step& step, const Room& rank) const;
  bool usable(uint32_t node, const Gang& gang) const;
  std::vector<uint32_t> usable_nodes(const Gang& gang) const;
  std::optional<Seat> seat_at(const std::vector<uint32_t>& nodes, const Gang& gang, int64_t from_us) const;
  std::optional<int64_t> sweep(const std::vector<uint32_t>& nodes, const Gang& gang, int64_t from_us) const;
  static size_t cut(Steps& steps, int64_t at_us);
  static void subtract(Steps& steps, int64_t slots, int64_t from_us, int64_t until_us);
  bool admits(int64_t from_us, int64_t until_us) const;

  const Pool& pool_;
  int64_t now_us_;
  std::vector<Steps> nodes_;
  std::vector<bool> open_;  // not closed by the operator, nor to later gangs
  // Free slots of all nodes together: a bound that spares looking at each of them. No bound where a node
  // holds more than it has.
  Steps total_;
  bool bounded_ = true;
  Steps gangs_;  // that may still begin, as slots; looked at where the pool has a limit
};

}  // namespace rekindle::core::place
