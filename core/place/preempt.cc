#include "core/place/preempt.h"

#include <algorithm>
#include <cstddef>

namespace rekindle::core::place {
namespace {

// Room of each node as gangs leave and come back, and the ranks that it would take; and how many gangs there
// are beside the limit of them.
class FreeRoom {
 public:
  FreeRoom(const Pool& pool, const std::vector<Held>& held, const Gang& gang) : pool_(pool), gang_(gang) {
    for (const Node& node : pool.nodes)
      nodes_.push_back(
          {node.room.slots, node.room.gpus, static_cast<int64_t>(node.room.memory), node.closed.empty()});
    for (uint32_t node = 0; node < nodes_.size(); ++node) ranks_ += ranks_on(node);
    for (const Held& one : held) change(one, -1);
  }

  bool fits() const { return ranks_ >= gang_.min && admits(); }
  void leaves(const Held& held) { change(held, 1); }
  void stays(const Held& held) { change(held, -1); }

  bool helps(const Held& held) const {
    return !admits() || std::any_of(held.shares.begin(), held.shares.end(), [this](const Share& share) {
      return nodes_[share.node].open && carries(pool_.nodes[share.node], gang_.labels);
    });
  }

 private:
  struct Free {
    int64_t slots, gpus, memory;
    bool open;
  };

  bool admits() const { return pool_.runs == 0 || gangs_ < pool_.runs; }

  void change(const Held& held, int64_t sign) {
    gangs_ -= sign;
    for (const Share& share : held.shares) {
      Free& node = nodes_[share.node];
      ranks_ -= ranks_on(share.node);
      const int64_t ranks = sign * share.ranks;
      node.slots += ranks * held.rank.slots;
      node.gpus += ranks * held.rank.gpus;
      node.memory += ranks * static_cast<int64_t>(held.rank.memory);
      ranks_ += ranks_on(share.node);
    }
  }

  int64_t ranks_on(uint32_t index) const {
    const Free& node = nodes_[index];
    if (!node.open || !carries(pool_.nodes[index], gang_.labels)) return 0;
    int64_t ranks = node.slots / std::max(1u, gang_.rank.slots);
    if (gang_.rank.gpus > 0) ranks = std::min(ranks, node.gpus / gang_.rank.gpus);
    if (gang_.rank.memory > 0 && pool_.nodes[index].room.memory > 0)
      ranks = std::min(ranks, node.memory / static_cast<int64_t>(gang_.rank.memory));
    return std::max<int64_t>(0, ranks);
  }

  const Pool& pool_;
  const Gang& gang_;
  std::vector<Free> nodes_;
  int64_t ranks_ = 0;
  int64_t gangs_ = 0;
};

}  // namespace

double lost_work(uint32_t ranks, int64_t saved_us, int64_t now_us) {
  return ranks * static_cast<double>(std::max<int64_t>(0, now_us - saved_us)) / 1e6;
}

std::vector<size_t> victims(const Pool& pool, const std::vector<Held>& held, std::vector<Victim> candidates,
                            const Gang& gang) {
  FreeRoom room(pool, held, gang);
  if (room.fits()) return {};
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Victim& a, const Victim& b) { return a.lost < b.lost; });
  // 1. One alone, if there is such a one, for what it costs.
  const Victim* alone = nullptr;
  for (const Victim& candidate : candidates) {
    room.leaves(held[candidate.held]);
    const bool enough = room.fits();
    room.stays(held[candidate.held]);
    if (!enough) continue;
    alone = &candidate;
    break;
  }
  // 2. The cheapest first, until it fits.
  std::vector<Victim> chosen;
  for (const Victim& candidate : candidates) {
    if (room.fits()) break;
    if (!room.helps(held[candidate.held])) continue;
    room.leaves(held[candidate.held]);
    chosen.push_back(candidate);
  }
  if (!room.fits()) return {};
  // 3. Whoever need not leave after all stays, the dearest first.
  for (size_t i = chosen.size(); i-- > 0;) {
    room.stays(held[chosen[i].held]);
    if (room.fits())
      chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(i));
    else
      room.leaves(held[chosen[i].held]);
  }
  double lost = 0;
  for (const Victim& one : chosen) lost += one.lost;
  if (alone && alone->lost <= lost) return {alone->held};
  std::vector<size_t> asked;
  for (const Victim& one : chosen) asked.push_back(one.held);
  return asked;
}

}  // namespace rekindle::core::place
