// Whether and when an attempt that ended is tried again. Pure and deterministic: the caller adds the delay
// to its own clock.
//
// Two budgets, so that the job's own crashes and the cluster's faults never pay for each other; a yield
// costs neither; what was refused once is refused for good.
#pragma once

#include <string>

#include "base/clock.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::jobs {

struct RetryCounts {
  uint32_t crash_failures = 0;  // crashes and hangs
  uint32_t node_failures = 0;   // lost nodes, launchers and supervisors, failed launches
  bool operator==(const RetryCounts&) const = default;
};

struct RetryDecision {
  bool retry = false;
  Micros delay{0};
  RetryCounts counts;  // with this end counted
  std::string reason;  // a sentence: what happened and what follows
};

// `before` counts the run's earlier failures; `limits` is resolved. END_FINISHED is no failure: not retried.
RetryDecision decide_retry(v1::EndClass end, RetryCounts before, const v1::Limits& limits);

}  // namespace rekindle::jobs
