// What a serving node counts for Prometheus. Counters are safe from any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "serving/follower.h"
#include "serving/link.h"
#include "serving/spool/recorder.h"
#include "serving/spool/sender.h"
#include "serving/spool/spool.h"

namespace rekindle::serving {

class NodeMetrics {
 public:
  NodeMetrics();

  prometheus::Registry& registry() { return registry_; }
  // One infer call; version 0 when none was chosen.
  void infer(const std::string& model, uint64_t version, int status, size_t rows, double seconds);

  // Gauges that are read rather than kept.
  struct Sources {
    const Follower* follower;
    const Spool* spool;
    const Recorder* recorder;
    const Sender* sender;
    const Link* link;
  };
  void refresh(const Sources& sources);

 private:
  void refresh_processes(const Follower& follower);
  prometheus::Gauge& gauge(const char* name, const char* help);

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& rows_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Gauge>& revision_;
  prometheus::Family<prometheus::Gauge>& ready_;
  prometheus::Family<prometheus::Gauge>& versions_;
  prometheus::Family<prometheus::Gauge>& predictor_up_;
  prometheus::Family<prometheus::Gauge>& predictor_restarts_;
  prometheus::Family<prometheus::Gauge>& predictor_memory_;
  struct ProcessGauges {
    prometheus::Gauge *up, *restarts, *memory;
  };
  std::mutex processes_mutex_;
  std::map<std::pair<std::string, uint64_t>, ProcessGauges> processes_;  // of loaded versions alone
  prometheus::Gauge& swaps_;
  prometheus::Gauge& spool_records_;
  prometheus::Gauge& spool_bytes_;
  prometheus::Gauge& dropped_;
  prometheus::Gauge& damaged_;
  prometheus::Gauge& written_requests_;
  prometheus::Gauge& written_labels_;
  prometheus::Gauge& sent_;
  prometheus::Gauge& refused_;
  prometheus::Gauge& coordinator_;
};

}  // namespace rekindle::serving
