#include "core/place/plan.h"

#include "core/place/timeline.h"

namespace rekindle::core::place {
namespace {

// A seat whose beginning is not known is held from now on: whoever leaves next may make it possible.
void reserve(Timeline& timeline, const Seat& seat, const Gang& gang, int64_t now_us) {
  const bool known = seat.start_us < kUnknown;
  timeline.take(seat.shares, gang.rank, known ? seat.start_us : now_us, later(seat.start_us, gang.limit_us));
}

}  // namespace

std::vector<Verdict> plan(const Pool& pool, const std::vector<Held>& held,
                          const std::function<std::optional<Gang>()>& next, int64_t now_us,
                          const PlanOptions& options) {
  // 1. What is held, and until when.
  Timeline timeline(pool, now_us);
  for (const Held& one : held) timeline.take(one.shares, one.rank, now_us, one.until_us);

  // 2. In the queue's order: a seat for each.
  std::vector<Verdict> verdicts;
  std::vector<std::pair<size_t, Gang>> elastic;
  size_t waiting = 0, starts = 0;
  while (waiting < options.waiting_most && starts < options.starts_most) {
    if (!options.whole && !timeline.any_room_now()) break;
    std::optional<Gang> gang = next();
    if (!gang) break;
    Verdict& verdict = verdicts.emplace_back();
    if (ranks_in(pool, *gang, false) < gang->min) {
      verdict.kind = Verdict::kImpossible;
      continue;
    }
    std::optional<Seat> seat = timeline.earliest(*gang);
    if (!seat) {
      timeline.close_for(*gang);
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
    if (gang->max > gang->min) elastic.emplace_back(verdicts.size() - 1, std::move(*gang));
  }

  // 3. Elastic gangs share what no seat takes.
  for (const auto& [index, gang] : elastic) timeline.widen(verdicts[index].seat, gang);
  return verdicts;
}

}  // namespace rekindle::core::place
