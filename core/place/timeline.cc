#include "core/place/timeline.h"

#include <algorithm>

namespace rekindle::core::place {
namespace {

// Moments looked at one by one before all of them are.
constexpr int kMomentsMost = 8;

}  // namespace

Timeline::Timeline(const Pool& pool, int64_t now_us) : pool_(pool), now_us_(now_us) {
  int64_t slots = 0;
  for (const Node& node : pool.nodes) {
    nodes_.push_back({Step{now_us, node.room.slots, node.room.gpus, static_cast<int64_t>(node.room.memory)}});
    open_.push_back(node.closed.empty());
    slots += node.room.slots;
  }
  total_.push_back({now_us, slots, 0, 0});
  gangs_.push_back({now_us, pool.runs, 0, 0});
}

// A step begins at this time; returns which.
size_t Timeline::cut(Steps& steps, int64_t at_us) {
  auto after = std::upper_bound(steps.begin(), steps.end(), at_us,
                                [](int64_t at, const Step& step) { return at < step.at_us; });
  const auto index = static_cast<size_t>(after - steps.begin());
  Step begun = steps[index - 1];
  if (begun.at_us == at_us) return index - 1;
  begun.at_us = at_us;
  steps.insert(after, begun);
  return index;
}

void Timeline::take(const std::vector<Share>& shares, const Room& rank, int64_t from_us, int64_t until_us) {
  from_us = std::max(from_us, now_us_);
  if (until_us <= from_us) return;
  int64_t slots = 0;
  for (const Share& share : shares) {
    Steps& steps = nodes_[share.node];
    const int64_t ranks = share.ranks;
    const size_t first = cut(steps, from_us);
    const size_t last = until_us == kForever ? steps.size() : cut(steps, until_us);
    for (size_t i = first; i < last; ++i) {
      steps[i].slots -= ranks * rank.slots;
      bounded_ = bounded_ && steps[i].slots >= 0;
      steps[i].gpus -= ranks * rank.gpus;
      steps[i].memory -= ranks * static_cast<int64_t>(rank.memory);
    }
    slots += ranks * rank.slots;
  }
  subtract(total_, slots, from_us, until_us);
}

void Timeline::hold(const std::vector<Held>& held) {
  for (const Held& one : held) {
    take(one.shares, one.rank, now_us_, one.until_us);
    admit(now_us_, one.until_us);
  }
}

void Timeline::admit(int64_t from_us, int64_t until_us) {
  from_us = std::max(from_us, now_us_);
  if (pool_.runs > 0 && until_us > from_us) subtract(gangs_, 1, from_us, until_us);
}

void Timeline::subtract(Steps& steps, int64_t slots, int64_t from_us, int64_t until_us) {
  const size_t first = cut(steps, from_us);
  const size_t last = until_us == kForever ? steps.size() : cut(steps, until_us);
  for (size_t i = first; i < last; ++i) steps[i].slots -= slots;
}

// Throughout [from, until).
bool Timeline::admits(int64_t from_us, int64_t until_us) const {
  if (pool_.runs == 0) return true;
  auto step = std::upper_bound(gangs_.begin(), gangs_.end(), from_us,
                               [](int64_t at, const Step& other) { return at < other.at_us; }) -
              1;
  for (; step != gangs_.end() && step->at_us < until_us; ++step)
    if (step->slots < 1) return false;
  return true;
}

uint32_t Timeline::ranks_of(uint32_t node, const Step& step, const Room& rank) const {
  int64_t ranks = step.slots / std::max(1u, rank.slots);
  if (rank.gpus > 0) ranks = std::min(ranks, step.gpus / rank.gpus);
  if (rank.memory > 0 && pool_.nodes[node].room.memory > 0)
    ranks = std::min(ranks, step.memory / static_cast<int64_t>(rank.memory));
  return static_cast<uint32_t>(std::max<int64_t>(0, ranks));
}

// Throughout [from, until).
uint32_t Timeline::ranks_at(uint32_t node, const Gang& gang, int64_t from_us, int64_t until_us) const {
  const Steps& steps = nodes_[node];
  size_t i = 0;
  if (steps.size() > 1 && steps[1].at_us <= from_us)
    i = static_cast<size_t>(std::upper_bound(steps.begin(), steps.end(), from_us,
                                             [](int64_t at, const Step& step) { return at < step.at_us; }) -
                            steps.begin() - 1);
  uint32_t ranks = ranks_of(node, steps[i], gang.rank);
  for (++i; i < steps.size() && steps[i].at_us < until_us && ranks > 0; ++i)
    ranks = std::min(ranks, ranks_of(node, steps[i], gang.rank));
  return ranks;
}

bool Timeline::usable(uint32_t node, const Gang& gang) const {
  return open_[node] && (gang.labels.empty() || carries(pool_.nodes[node], gang.labels));
}

std::vector<uint32_t> Timeline::usable_nodes(const Gang& gang) const {
  std::vector<uint32_t> nodes;
  for (uint32_t node = 0; node < nodes_.size(); ++node)
    if (usable(node, gang)) nodes.push_back(node);
  return nodes;
}

// One node that holds them all, the tightest; else the roomiest first, and the tightest that holds the rest.
std::optional<Seat> Timeline::seat_at(const std::vector<uint32_t>& nodes, const Gang& gang,
                                      int64_t from_us) const {
  const int64_t until_us = later(from_us, gang.limit_us);
  std::vector<Share> fits;
  uint64_t sum = 0;
  for (uint32_t node : nodes)
    if (const uint32_t ranks = ranks_at(node, gang, from_us, until_us)) {
      fits.push_back({node, ranks});
      sum += ranks;
    }
  if (sum < gang.min) return std::nullopt;
  std::stable_sort(fits.begin(), fits.end(),
                   [](const Share& a, const Share& b) { return a.ranks > b.ranks; });
  Seat seat{from_us, {}};
  uint32_t left = gang.min;
  for (auto fit = fits.begin(); left > 0; ++fit) {
    if (fit->ranks >= left) {
      // Equally tight ones stand in the pool's order.
      auto end = std::find_if(fit, fits.end(), [left](const Share& other) { return other.ranks < left; });
      const uint32_t tightest = std::prev(end)->ranks;
      fit = std::find_if(fit, end, [tightest](const Share& other) { return other.ranks == tightest; });
      seat.shares.push_back({fit->node, left});
      break;
    }
    seat.shares.push_back(*fit);
    left -= fit->ranks;
  }
  std::sort(seat.shares.begin(), seat.shares.end(),
            [](const Share& a, const Share& b) { return a.node < b.node; });
  return seat;
}

std::optional<Seat> Timeline::earliest(const Gang& gang, int64_t from_us) const {
  from_us = std::max({now_us_, gang.earliest_us, from_us});
  const std::vector<uint32_t> nodes = usable_nodes(gang);
  if (nodes.empty()) return std::nullopt;
  // Room comes free only where a step begins; most moments are ruled out by the sum of all nodes.
  auto moment = std::upper_bound(total_.begin(), total_.end(), from_us,
                                 [](int64_t at, const Step& step) { return at < step.at_us; }) -
                1;
  const int64_t slots = static_cast<int64_t>(gang.min) * gang.rank.slots;
  for (int looked = 0; moment != total_.end(); ++moment) {
    if (bounded_ && moment->slots < slots) continue;
    const int64_t at_us = std::max(moment->at_us, from_us);
    if (!admits(at_us, later(at_us, gang.limit_us))) continue;
    if (looked++ < kMomentsMost) {
      if (std::optional<Seat> seat = seat_at(nodes, gang, at_us)) return seat;
      continue;
    }
    const std::optional<int64_t> found = sweep(nodes, gang, at_us);
    return found ? seat_at(nodes, gang, *found) : std::nullopt;
  }
  return std::nullopt;
}

// Each node's ranks as a function of the start, as changes over time; their running sum says when it is
// enough.
std::optional<int64_t> Timeline::sweep(const std::vector<uint32_t>& nodes, const Gang& gang,
                                       int64_t from_us) const {
  std::vector<std::pair<int64_t, int64_t>> changes;
  std::vector<int64_t> moments;
  for (uint32_t node : nodes) {
    moments.assign(1, from_us);
    for (const Step& step : nodes_[node]) {
      if (step.at_us > from_us) moments.push_back(step.at_us);
      const int64_t reached = gang.limit_us > 0 ? step.at_us - gang.limit_us + 1 : 0;
      if (step.at_us < kUnknown && reached > from_us) moments.push_back(reached);
    }
    std::sort(moments.begin(), moments.end());
    int64_t before = 0;
    for (int64_t moment : moments) {
      const int64_t ranks = ranks_at(node, gang, moment, later(moment, gang.limit_us));
      if (ranks != before) changes.emplace_back(moment, ranks - before);
      before = ranks;
    }
  }
  // The pool lets another gang begin only where one ends.
  if (pool_.runs > 0)
    for (const Step& step : gangs_)
      if (step.at_us > from_us) changes.emplace_back(step.at_us, 0);
  std::sort(changes.begin(), changes.end());
  int64_t sum = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    sum += changes[i].second;
    const bool last = i + 1 == changes.size() || changes[i + 1].first != changes[i].first;
    if (last && sum >= gang.min && admits(changes[i].first, later(changes[i].first, gang.limit_us)))
      return changes[i].first;
  }
  return std::nullopt;
}

void Timeline::widen(Seat& seat, const Gang& gang, bool closed_too) {
  const int64_t until_us = later(seat.start_us, gang.limit_us);
  uint32_t left = gang.max - seat.ranks();
  auto give = [&](Share& share) {
    if (!closed_too && !open_[share.node]) return;
    const uint32_t more = std::min(left, ranks_at(share.node, gang, seat.start_us, until_us));
    if (more == 0) return;
    take({{share.node, more}}, gang.rank, seat.start_us, until_us);
    share.ranks += more;
    left -= more;
  };
  for (Share& share : seat.shares) give(share);
  for (uint32_t node = 0; node < nodes_.size() && left > 0; ++node) {
    if (!pool_.nodes[node].closed.empty() || !carries(pool_.nodes[node], gang.labels)) continue;
    Share share{node, 0};
    give(share);
    if (share.ranks > 0) seat.shares.push_back(share);
  }
  std::sort(seat.shares.begin(), seat.shares.end(),
            [](const Share& a, const Share& b) { return a.node < b.node; });
}

void Timeline::close_for(const Gang& gang) {
  for (uint32_t node = 0; node < nodes_.size(); ++node)
    if (usable(node, gang)) open_[node] = false;
}

bool Timeline::any_room_now() const {
  if (pool_.runs > 0 && gangs_.front().slots < 1) return false;
  for (uint32_t node = 0; node < nodes_.size(); ++node)
    if (open_[node] && nodes_[node].front().slots > 0) return true;
  return false;
}

}  // namespace rekindle::core::place
