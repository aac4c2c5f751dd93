// A month of a cluster, simulated: arrivals by day and night, sizes and lengths as training clusters see
// them, time limits that people over-estimate. The rule of placement beside two that everybody knows.
#pragma once

#include <string>
#include <vector>

#include "core/place/cluster.h"

namespace rekindle::core::place::testing {

struct MonthOptions {
  uint64_t seed = 1;
  uint32_t nodes = 200;
  uint32_t slots_per_node = 8;
  int days = 30;
  double load = 0.9;  // work that arrives, as a share of what the cluster could do
};

struct Job {
  Gang gang;
  int64_t arrives_us = 0;
  int64_t runs_us = 0;  // at most its limit
};

std::vector<Job> month(const MonthOptions& options);
Pool cluster_of(const MonthOptions& options);

enum class Policy {
  kFifo,  // nobody starts before one who came earlier
  kEasy,  // the first that waits has a reservation, nobody else
  kOurs,  // everybody who waits has one
};

struct MonthResult {
  double utilisation = 0;  // of all slots, from the first arrival to the last
  double wait_mean_s = 0, wait_median_s = 0, wait_p95_s = 0;
  double slowdown_mean = 0;     // bounded: (wait + run) / max(run, 10 s)
  double wide_wait_mean_s = 0;  // of gangs on more than eight nodes
  double wait_max_s = 0;
  int broken_promises = 0;  // starts later than what the first of the queue was told
  int64_t passes = 0;
  double pass_max_ms = 0, pass_mean_ms = 0;
};
// A pass after every arrival and end, but at most one in `every_us`.
MonthResult simulate(const std::vector<Job>& jobs, const Pool& pool, Policy policy, int64_t every_us = 0);

std::string row(const std::string& name, const MonthResult& result);

}  // namespace rekindle::core::place::testing
