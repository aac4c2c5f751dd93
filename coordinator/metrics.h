// The daemon's Prometheus metrics: gauges are read from the state at each scrape, counters and histograms
// are kept as things happen.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

#include "core/schedule.h"

namespace rekindle::coordinator {

class Metrics {
 public:
  Metrics();
  prometheus::Registry& registry() { return registry_; }

  // From any thread.
  void commit(double seconds, size_t events);
  void batch(uint32_t requests, uint32_t labels, uint32_t refused, bool duplicate);
  void attempt_ended(const std::string& end_class);

  // Before a scrape, on the core's thread.
  struct Now {
    const core::State* state = nullptr;
    core::Capacity capacity;
    uint64_t durable_seq = 0;
    size_t nodes = 0;
    uint64_t windows_judged = 0;
    uint64_t days_settled = 0;
    size_t events_waiting = 0;
  };
  void refresh(const Now& now);

 private:
  prometheus::Registry registry_;
  prometheus::Histogram& commit_seconds_;
  prometheus::Counter& events_committed_;
  prometheus::Counter& batches_;
  prometheus::Counter& duplicate_batches_;
  prometheus::Counter& requests_;
  prometheus::Counter& labels_;
  prometheus::Counter& refused_;
  prometheus::Family<prometheus::Counter>& attempts_ended_;
  prometheus::Family<prometheus::Gauge>& runs_;
  prometheus::Family<prometheus::Gauge>& plan_revision_;
  prometheus::Family<prometheus::Gauge>& champion_;
  prometheus::Family<prometheus::Gauge>& undone_;
  prometheus::Family<prometheus::Gauge>& drift_;
  prometheus::Gauge& slots_;
  prometheus::Gauge& slots_used_;
  prometheus::Gauge& gpus_;
  prometheus::Gauge& gpus_used_;
  prometheus::Gauge& journal_seq_;
  prometheus::Gauge& nodes_;
  prometheus::Gauge& windows_;
  prometheus::Gauge& days_;
  prometheus::Gauge& events_waiting_;
};

}  // namespace rekindle::coordinator
