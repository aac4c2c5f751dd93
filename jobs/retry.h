// Whether and when an attempt that ended is tried again. Pure and deterministic: the caller adds the delay
// to its own clock.
//
// Each class of fault has a budget of its own, so that the job's crashes and the cluster's faults never pay
// for each other. A yield costs none; what was refused once is refused for good. Waits double while attempts
// keep failing soon after their start: what ends one that has trained for a while is news, and the run loses
// least by going on.
#pragma once

#include <string>

#include "base/clock.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/journal.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::jobs {

// How often each budget was charged.
struct RetryCounts {
  uint32_t crash = 0;
  uint32_t node = 0;  // lost nodes and supervisors
  uint32_t memory = 0;
  uint32_t hang = 0;
  uint32_t preempted = 0;  // without having saved
  uint32_t data = 0;       // unreadable or damaged; refused data is final
  uint32_t launcher = 0;   // failed launches
  bool operator==(const RetryCounts&) const = default;
};

RetryCounts counts_of(const v1::Run& run);
void set_counts(v1::RunRequeued& event, const RetryCounts& counts);
void apply_counts(v1::Run& run, const v1::RunRequeued& event);

struct RetryDecision {
  bool retry = false;
  Micros delay{0};
  RetryCounts counts;  // with this end counted
  std::string reason;  // a sentence: what happened and what follows
};

// How many of the newest attempts failed within half a minute of their placement, one after the other; the
// last one may be ending now.
uint32_t early_failures(const v1::Run& run, int64_t now_us);

// `before` counts the run's earlier failures, `early` is early_failures with this one; `limits` is resolved.
// END_FINISHED is no failure: not retried.
RetryDecision decide_retry(v1::EndClass end, RetryCounts before, const v1::Limits& limits, uint32_t early);

}  // namespace rekindle::jobs
