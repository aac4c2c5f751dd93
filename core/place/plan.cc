#include "core/place/plan.h"

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
    std::optional<Seat> seat = timeline.earliest(*gang);
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
