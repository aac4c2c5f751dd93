#include "jobs/retry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace rekindle::jobs {
namespace {

// A crash is either chance, and then a second is enough, or it is not, and then waiting changes nothing.
constexpr Micros kCrashFirst = Seconds(1), kCrashMost = Seconds(60);
// A lost node takes a while to come back or to be replaced.
constexpr Micros kNodeFirst = Seconds(2), kNodeMost = Seconds(300);

Micros delay_after(uint32_t failures, Micros first, Micros most) {
  const uint32_t doublings = std::min<uint32_t>(failures - 1, 20);
  return std::min(first * (int64_t{1} << doublings), most);
}

RetryDecision counted(std::string_view what, RetryCounts counts, uint32_t failures, uint32_t budget,
                      Micros delay) {
  if (failures > budget)
    return {false, Micros(0), counts,
            fmt::format("{}; {} {} used up", what, budget, budget == 1 ? "retry is" : "retries are")};
  return {true, delay, counts,
          fmt::format("{}; retry {} of {} in {}", what, failures, budget, format_duration(delay))};
}

}  // namespace

RetryDecision decide_retry(v1::EndClass end, RetryCounts before, const v1::Limits& limits) {
  RetryCounts counts = before;
  const auto crash = [&](std::string_view what) {
    ++counts.crash_failures;
    return counted(what, counts, counts.crash_failures, limits.crash_retries(),
                   delay_after(counts.crash_failures, kCrashFirst, kCrashMost));
  };
  const auto node = [&](std::string_view what) {
    ++counts.node_failures;
    return counted(what, counts, counts.node_failures, limits.node_retries(),
                   delay_after(counts.node_failures, kNodeFirst, kNodeMost));
  };
  switch (end) {
    case v1::END_CRASH:
      return crash("a rank crashed");
    case v1::END_HANG:
      return crash("the ranks hung and were ended");
    case v1::END_NODE_LOST:
      return node("its node or launcher was lost");
    case v1::END_LAUNCH_FAILED:
      return node("the launch failed");
    case v1::END_YIELDED:
      return {true, Micros(0), counts, "it made way when asked; it goes on from its checkpoint"};
    case v1::END_SPEC_REFUSED:
      return {false, Micros(0), counts, "the ranks refused the spec; another try would too"};
    case v1::END_DATA_REFUSED:
      return {false, Micros(0), counts, "the ranks refused the data; another try would too"};
    case v1::END_DIVERGED:
      return {false, Micros(0), counts,
              "the ranks hold different parameters: nothing of it may be published"};
    case v1::END_CANCELLED:
      return {false, Micros(0), counts, "it was cancelled"};
    case v1::END_FINISHED:
      return {false, Micros(0), counts, "it finished"};
    default:
      return {false, Micros(0), counts, "it ended in a way that this release does not know"};
  }
}

}  // namespace rekindle::jobs
