#include "jobs/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/units.h"

namespace rekindle::jobs {
namespace {

// By then an attempt has started, trained and saved.
constexpr Micros kEarly = Seconds(30);

// What a class of fault may cost.
struct Budget {
  std::string_view what;
  uint32_t RetryCounts::*charged;
  uint32_t retries = 0;
  // Waits double from the first to the most.
  Micros first, most;
};

// Specs of old do not say the newer budgets: what was charged then is charged now.
std::optional<Budget> budget_of(v1::EndClass end, const v1::Limits& limits) {
  const uint32_t crash = limits.crash_retries(), node = limits.node_retries();
  switch (end) {
    // A crash is either chance, and then a second is enough, or it is not, and then waiting changes nothing.
    case v1::END_CRASH:
      return Budget{"a rank crashed", &RetryCounts::crash, crash, Seconds(1), Seconds(60)};
    case v1::END_HANG:
      return Budget{"the ranks hung and were ended", &RetryCounts::hang,
                    limits.has_hang_retries() ? limits.hang_retries() : crash, Seconds(1), Seconds(60)};
    // A neighbour that took the memory may be gone in a while.
    case v1::END_OUT_OF_MEMORY:
      return Budget{"a rank ran out of memory", &RetryCounts::memory,
                    limits.has_memory_retries() ? limits.memory_retries() : crash, Seconds(10), Seconds(300)};
    // A lost node takes a while to come back or to be replaced.
    case v1::END_NODE_LOST:
      return Budget{"its node or launcher was lost", &RetryCounts::node, node, Seconds(2), Seconds(300)};
    case v1::END_LAUNCH_FAILED:
      return Budget{"the launch failed", &RetryCounts::launcher,
                    limits.has_launcher_retries() ? limits.launcher_retries() : node, Seconds(2),
                    Seconds(300)};
    // The queue decides when it goes on.
    case v1::END_PREEMPTED:
      return Budget{"it made way for another run before it could save", &RetryCounts::preempted,
                    limits.has_preempted_retries() ? limits.preempted_retries() : node, Micros(0), Micros(0)};
    case v1::END_DATA_LOST:
      return Budget{"rows or files could not be read or were damaged", &RetryCounts::data,
                    limits.has_data_retries() ? limits.data_retries() : crash, Seconds(1), Seconds(300)};
    default:
      return std::nullopt;
  }
}

Micros delay_after(uint32_t failures, const Budget& budget) {
  const uint32_t doublings = std::min<uint32_t>(std::max<uint32_t>(failures, 1) - 1, 20);
  return std::min(budget.first * (int64_t{1} << doublings), budget.most);
}

RetryDecision charge(const Budget& budget, RetryCounts counts, uint32_t early) {
  const uint32_t failures = ++(counts.*budget.charged);
  if (failures > budget.retries)
    return {false, Micros(0), counts,
            fmt::format("{}; {} {} used up", budget.what, budget.retries,
                        budget.retries == 1 ? "retry is" : "retries are")};
  const Micros delay = delay_after(std::min(failures, early), budget);
  std::string when = delay == Micros(0) ? "" : " in " + format_duration(delay);
  return {true, delay, counts,
          fmt::format("{}; retry {} of {}{}", budget.what, failures, budget.retries, when)};
}

std::string_view final_word(v1::EndClass end) {
  switch (end) {
    case v1::END_SPEC_REFUSED:
      return "the ranks refused the spec; another try would too";
    case v1::END_DATA_REFUSED:
      return "the ranks refused the data; another try would too";
    case v1::END_DIVERGED:
      return "the ranks hold different parameters: nothing of it may be published";
    case v1::END_CANCELLED:
      return "it was cancelled";
    case v1::END_FINISHED:
      return "it finished";
    default:
      return "it ended in a way that this release does not know";
  }
}

}  // namespace

uint32_t early_failures(const v1::Run& run, int64_t now_us) {
  uint32_t out = 0;
  for (auto attempt = run.attempts().rbegin(); attempt != run.attempts().rend(); ++attempt) {
    const bool ended = attempt->state() == v1::Attempt::ENDED;
    if (ended && (attempt->end() == v1::END_FINISHED || attempt->end() == v1::END_YIELDED)) break;
    if ((ended ? attempt->ended_us() : now_us) - attempt->placed_us() >= kEarly.count()) break;
    ++out;
  }
  return out;
}

RetryDecision decide_retry(v1::EndClass end, RetryCounts before, const v1::Limits& limits, uint32_t early) {
  if (end == v1::END_YIELDED)
    return {true, Micros(0), before, "it made way when asked; it goes on from its checkpoint"};
  if (const std::optional<Budget> budget = budget_of(end, limits)) return charge(*budget, before, early);
  return {false, Micros(0), before, std::string(final_word(end))};
}

RetryCounts counts_of(const v1::Run& run) {
  return {.crash = run.crash_failures(),
          .node = run.node_failures(),
          .memory = run.memory_failures(),
          .hang = run.hang_failures(),
          .preempted = run.preemptions(),
          .data = run.data_failures(),
          .launcher = run.launch_failures()};
}

void set_counts(v1::RunRequeued& event, const RetryCounts& counts) {
  event.set_crash_failures(counts.crash);
  event.set_node_failures(counts.node);
  event.set_memory_failures(counts.memory);
  event.set_hang_failures(counts.hang);
  event.set_preemptions(counts.preempted);
  event.set_data_failures(counts.data);
  event.set_launch_failures(counts.launcher);
}

void apply_counts(v1::Run& run, const v1::RunRequeued& event) {
  run.set_crash_failures(event.crash_failures());
  run.set_node_failures(event.node_failures());
  run.set_memory_failures(event.memory_failures());
  run.set_hang_failures(event.hang_failures());
  run.set_preemptions(event.preemptions());
  run.set_data_failures(event.data_failures());
  run.set_launch_failures(event.launch_failures());
}

}  // namespace rekindle::jobs
