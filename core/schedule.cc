#include "core/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <tuple>

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

bool holds(Capacity room, Capacity need) {
  return need.slots <= room.slots && need.gpus <= room.gpus;
}
Capacity less(Capacity from, Capacity what) {
  return {from.slots - std::min(from.slots, what.slots), from.gpus - std::min(from.gpus, what.gpus)};
}
Capacity least(Capacity a, Capacity b) {
  return {std::min(a.slots, b.slots), std::min(a.gpus, b.gpus)};
}
Capacity room_of(const v1::Run& run, uint32_t ranks) {
  return {ranks, ranks * gpus_per_rank(run)};
}
Capacity fewest(const v1::Run& run) {
  return room_of(run, ranks_wanted(run).min);
}
Capacity held_by(const v1::Attempt& attempt) {
  return {attempt.slots(), static_cast<uint32_t>(attempt.devices_size())};
}
uint32_t ranks_in(Capacity room, const v1::Run& run) {
  const uint32_t gpus = gpus_per_rank(run);
  return std::min(room.slots, gpus == 0 ? std::numeric_limits<uint32_t>::max() : room.gpus / gpus);
}

// Of a live attempt, were it placed again with this much free.
uint32_t ranks_with(const v1::Run& run, const v1::Attempt& attempt, Capacity free) {
  return std::min(ranks_wanted(run).max, world_of(attempt) + ranks_in(free, run));
}

std::string counted(uint32_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}
std::string text_of(Capacity room) {
  return room.gpus == 0 ? counted(room.slots, "slot")
                        : fmt::format("{} and {}", counted(room.slots, "slot"), counted(room.gpus, "GPU"));
}

// Why it is not placed, whatever is free; empty: room alone decides.
std::string hindrance(const v1::Run& run, Capacity capacity, Time now) {
  const Capacity need = fewest(run);
  if (run.not_before_us() > to_micros(now))
    return fmt::format("{}; not before {}", run.reason().empty() ? "a retry" : run.reason(),
                       format_time(time_from_micros(run.not_before_us())));
  if (need.gpus > capacity.gpus) return gpus_missing(run.spec(), capacity);
  if (need.slots <= capacity.slots) return {};
  return fmt::format("needs {} at once, this host has {}: lower train.ranks or give the daemon more --slots",
                     counted(need.slots, "slot"), capacity.slots);
}

std::string lack(Capacity need, Capacity free, Capacity capacity) {
  if (need.slots <= free.slots)
    return fmt::format("waits for {}: {} of {} are free", counted(need.gpus, "GPU"), free.gpus,
                       capacity.gpus);
  return fmt::format("waits for {}: {} of {} are free", counted(need.slots, "slot"), free.slots,
                     capacity.slots);
}

// What is left goes to elastic gangs in order. The head keeps what it could start with before they end.
void hand_out_rest(const State& state, Capacity capacity, Capacity free, const v1::Run* head,
                   std::vector<Placement>& place) {
  if (head) {
    Capacity others = capacity;
    for (const Placement& one : place) others = less(others, room_of(state.runs.at(one.run), one.world));
    const Capacity need = fewest(*head);
    if (holds(others, need)) free = least(free, less(others, need));
  }
  for (Placement& one : place) {
    const v1::Run& run = state.runs.at(one.run);
    const uint32_t more = std::min(ranks_wanted(run).max - one.world, ranks_in(free, run));
    one.world += more;
    free = less(free, room_of(run, more));
  }
}

}  // namespace

jobs::RankRange ranks_wanted(const v1::Run& run) {
  if (run.task() == v1::Plan::SCORE) return {};
  return jobs::rank_range(run.spec().train().ranks());
}

uint32_t gpus_per_rank(const v1::Run& run) {
  return run.task() == v1::Plan::SCORE ? 0 : run.spec().train().ranks().gpus();
}

Capacity used_now(const State& state) {
  Capacity used;
  for (const RunId& id : state.active) {
    const v1::Attempt* attempt = live_attempt(state.runs.at(id));
    if (!attempt) continue;
    used.slots += held_by(*attempt).slots;
    used.gpus += held_by(*attempt).gpus;
  }
  return used;
}

std::string gpus_missing(const v1::JobSpec& spec, Capacity capacity) {
  const v1::Ranks& ranks = spec.train().ranks();
  const uint32_t need = jobs::rank_range(ranks).min * ranks.gpus();
  if (need <= capacity.gpus) return {};
  if (capacity.gpus == 0)
    return fmt::format(
        "train.ranks.gpus asks for a GPU per rank, but pool {}, this host, has none: no NVIDIA device "
        "(/dev/nvidia0) was there when rekindled started; run the job on a host that has one, or write "
        "gpus: 0",
        spec.pool());
  return fmt::format("train.ranks asks for {} at once, but pool {}, this host, has {}: lower train.ranks",
                     counted(need, "GPU"), spec.pool(), capacity.gpus);
}

Schedule schedule(const State& state, Capacity capacity, Time now) {
  Schedule plan;
  // 1. What is free, and who waits.
  Capacity free = less(capacity, used_now(state));
  std::vector<const v1::Run*> queue;
  for (const RunId& id : state.active)
    if (state.runs.at(id).state() == v1::QUEUED) queue.push_back(&state.runs.at(id));
  std::sort(queue.begin(), queue.end(), before);

  // 2. In order: place what fits with its fewest ranks, until the first that does not.
  const v1::Run* head = nullptr;
  for (const v1::Run* run : queue) {
    const Capacity need = fewest(*run);
    RunId id(run->id());
    if (std::string why = hindrance(*run, capacity, now); !why.empty()) {
      const bool hopeless = run->attempts().empty() && need.gpus > capacity.gpus;
      (hopeless ? plan.refused : plan.waiting).push_back({id, std::move(why)});
    } else if (head) {
      plan.waiting.push_back(
          {id, fmt::format("behind {}, which waits for {}", head->id(), text_of(fewest(*head)))});
    } else if (!holds(free, need)) {
      head = run;
      plan.waiting.push_back({id, lack(need, free, capacity)});
    } else {
      free = less(free, need);
      plan.place.push_back({id, need.slots});
    }
  }

  // 3. Elastic gangs share the rest.
  hand_out_rest(state, capacity, free, head, plan.place);
  return plan;
}

uint32_t ranks_possible(const State& state, Capacity capacity, const v1::Run& run) {
  const v1::Attempt* attempt = live_attempt(run);
  return attempt ? ranks_with(run, *attempt, less(capacity, used_now(state))) : 0;
}

std::optional<Growth> growth(const State& state, Capacity capacity) {
  const Capacity free = less(capacity, used_now(state));
  const v1::Run* best = nullptr;
  for (const RunId& id : state.active) {
    const v1::Run& run = state.runs.at(id);
    // Also one whose retry waits for its time: it will want its room back.
    if (run.state() == v1::QUEUED && holds(capacity, fewest(run))) return std::nullopt;
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt) continue;
    if (attempt->resize_requested()) return std::nullopt;
    const bool settled = attempt->state() == v1::Attempt::STARTED && !attempt->yield_requested() &&
                         !attempt->kill_requested() && !run.cancel_requested();
    if (!settled || ranks_with(run, *attempt, free) <= world_of(*attempt)) continue;
    if (!best || before(&run, best)) best = &run;
  }
  if (!best) return std::nullopt;
  const v1::Attempt& attempt = *live_attempt(*best);
  return Growth{RunId(best->id()), world_of(attempt), ranks_with(*best, attempt, free),
                state.moved_us + Micros(kGrowAfter).count()};
}

}  // namespace rekindle::core
