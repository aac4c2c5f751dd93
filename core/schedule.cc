#include "core/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "jobs/ranks.h"

namespace rekindle::core {
namespace {

// The number at the end of a run id: two runs of one job that were queued in the same microsecond.
uint64_t run_number(const v1::Run& run) {
  uint64_t number = 0;
  size_t dash = run.id().rfind('-');
  if (dash != std::string::npos)
    std::from_chars(run.id().data() + dash + 1, run.id().data() + run.id().size(), number);
  return number;
}

bool before(const v1::Run* a, const v1::Run* b) {
  return std::make_tuple(-a->priority(), a->queued_us(), run_number(*a), std::string_view(a->id())) <
         std::make_tuple(-b->priority(), b->queued_us(), run_number(*b), std::string_view(b->id()));
}

std::string slots_text(uint32_t slots) {
  return fmt::format("{} slot{}", slots, slots == 1 ? "" : "s");
}

}  // namespace

uint32_t slots_needed(const v1::Run& run) {
  if (run.task() == v1::Plan::SCORE) return 1;
  return jobs::rank_range(run.spec().train().ranks()).max;
}

Schedule schedule(const State& state, uint32_t slots, Time now) {
  Schedule plan;
  // 1. What is held, and who waits.
  std::vector<const v1::Run*> queue;
  for (const RunId& id : state.active) {
    const v1::Run& run = state.runs.at(id);
    if (const v1::Attempt* attempt = live_attempt(run)) plan.slots_used += attempt->slots();
    if (run.state() == v1::QUEUED) queue.push_back(&run);
  }
  std::sort(queue.begin(), queue.end(), before);

  // 2. In order: place what fits, until the first that does not.
  uint32_t free = slots > plan.slots_used ? slots - plan.slots_used : 0;
  const v1::Run* head = nullptr;
  for (const v1::Run* run : queue) {
    uint32_t needed = slots_needed(*run);
    RunId id(run->id());
    if (run->not_before_us() > to_micros(now)) {
      std::string why = run->reason().empty() ? "a retry" : run->reason();
      plan.waiting.push_back(
          {id, fmt::format("{}; not before {}", why, format_time(time_from_micros(run->not_before_us())))});
    } else if (needed > slots) {
      plan.waiting.push_back(
          {id, fmt::format("needs {} at once, this host has {}: lower train.ranks.count or give "
                           "the daemon more --slots",
                           slots_text(needed), slots)});
    } else if (head) {
      plan.waiting.push_back(
          {id, fmt::format("behind {}, which waits for {}", head->id(), slots_text(slots_needed(*head)))});
    } else if (needed > free) {
      head = run;
      plan.waiting.push_back(
          {id, fmt::format("waits for {}: {} of {} are free", slots_text(needed), free, slots)});
    } else {
      free -= needed;
      plan.place.push_back(id);
    }
  }
  return plan;
}

}  // namespace rekindle::core
