#include "core/place/plan.h"

#include <algorithm>

#include "core/place/timeline.h"

namespace rekindle::core::place {
namespace {

// A seat whose beginning is not known is held from now on: whoever leaves next may make it possible.
void reserve(Timeline& timeline, const Seat& seat, const Gang& gang, int64_t now_us) {
  const bool known = seat.start_us < kUnknown;
  const int64_t from_us = known ? seat.start_us : now_us, until_us = later(seat.start_us, gang.limit_us);
  timeline.take(seat.shares, gang.rank, from_us, until_us);
  timeline.admit(from_us, until_us);
}

// Room only becomes less while a pass lasts: who asks for no less than another did starts no earlier. Many in
// a queue ask for the same.
class Bounds {
 public:
  // kForever: never, as far as is known.
  int64_t of(const Gang& gang) const {
    int64_t bound = 0;
    for (const Known& one : known_)
      if (one.start_us > bound && no_less(gang, one.gang)) bound = one.start_us;
    return bound;
  }
  void note(const Gang& gang, const std::optional<Seat>& seat) {
    if (gang.earliest_us > 0) return;  // its delay is its own
    const int64_t start_us = seat ? seat->start_us : kForever;
    for (Known& one : known_)
      if (no_less(gang, one.gang) && no_less(one.gang, gang)) {
        one.start_us = start_us;
        return;
      }
    known_.push_back({gang, start_us});
  }

 private:
  struct Known {
    Gang gang;
    int64_t start_us;
  };
  static bool no_less(const Gang& gang, const Gang& other) {
    const bool longer = gang.limit_us == 0 || (other.limit_us != 0 && gang.limit_us >= other.limit_us);
    return longer && gang.min >= other.min && gang.rank.slots >= other.rank.slots &&
           gang.rank.gpus >= other.rank.gpus && gang.rank.memory >= other.rank.memory &&
           std::includes(gang.labels.begin(), gang.labels.end(), other.labels.begin(), other.labels.end());
  }
  std::vector<Known> known_;
};

}  // namespace

std::vector<Verdict> plan(const Pool& pool, const std::vector<Held>& held,
                          const std::function<std::optional<Gang>()>& next, int64_t now_us,
                          const PlanOptions& options) {
  // 1. What is held, and until when.
  Timeline timeline(pool, now_us);
  timeline.hold(held);

  // 2. In the queue's order: a seat for each.
  std::vector<Verdict> verdicts;
  struct Elastic {
    size_t verdict;
    Gang gang;
    bool first;  // nobody without a seat stands before it
  };
  std::vector<Elastic> elastic;
  bool all_seated = true;
  Bounds bounds;
  size_t waiting = 0, starts = 0;
  while (waiting < options.waiting_most && starts < options.starts_most) {
    if (!options.whole && !timeline.any_room_now()) break;
    std::optional<Gang> gang = next();
    if (!gang) break;
    Verdict& verdict = verdicts.emplace_back();
    if (gang->barred || ranks_in(pool, *gang, false) < gang->min) {
      verdict.kind = Verdict::kImpossible;
      continue;
    }
    const int64_t bound = bounds.of(*gang);
    std::optional<Seat> seat = bound == kForever ? std::nullopt : timeline.earliest(*gang, bound);
    bounds.note(*gang, seat);
    if (!seat) {
      timeline.close_for(*gang);
      all_seated = false;
      ++waiting;
      continue;
    }
    verdict.seat = std::move(*seat);
    verdict.kind = verdict.seat.start_us <= now_us ? Verdict::kStarts : Verdict::kReserved;
    reserve(timeline, verdict.seat, *gang, now_us);
    if (verdict.kind == Verdict::kReserved) {
      ++waiting;
      continue;
    }
    ++starts;
    if (gang->max > gang->min) elastic.push_back({verdicts.size() - 1, std::move(*gang), all_seated});
  }

  // 3. Elastic gangs share what no seat takes.
  for (const Elastic& one : elastic) timeline.widen(verdicts[one.verdict].seat, one.gang, one.first);
  return verdicts;
}

}  // namespace rekindle::core::place
