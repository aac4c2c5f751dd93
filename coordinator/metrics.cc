#include "coordinator/metrics.h"

#include <algorithm>

#include "core/schedule.h"
#include "registry/aliases.h"

namespace rekindle::coordinator {

namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}
prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}
prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The bounds bracket an fsync on anything from NVMe to a tired disk.
const prometheus::Histogram::BucketBoundaries kCommitBounds = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                               0.05,   0.1,   0.25,  1,     5};

}  // namespace

Metrics::Metrics()
    : commit_seconds_(prometheus::BuildHistogram()
                          .Name("rekindle_commit_seconds")
                          .Help("time of one journal commit")
                          .Register(registry_)
                          .Add({}, kCommitBounds)),
      events_committed_(counter(registry_, "rekindle_events_committed_total", "journal events made durable")),
      batches_(counter(registry_, "rekindle_event_batches_total", "event batches applied")),
      duplicate_batches_(
          counter(registry_, "rekindle_event_batches_duplicate_total", "event batches seen before")),
      requests_(counter(registry_, "rekindle_event_requests_total", "requests stored")),
      labels_(counter(registry_, "rekindle_event_labels_total", "labels stored")),
      refused_(counter(registry_, "rekindle_event_records_refused_total", "records refused and counted")),
      attempts_ended_(prometheus::BuildCounter()
                          .Name("rekindle_attempts_ended_total")
                          .Help("attempts by how they ended")
                          .Register(registry_)),
      runs_(gauges(registry_, "rekindle_runs", "runs by state")),
      plan_revision_(gauges(registry_, "rekindle_plan_revision", "revision of the serving plan")),
      champion_(gauges(registry_, "rekindle_champion_version", "version that the alias champion points at")),
      undone_(gauges(registry_, "rekindle_promotions_undone",
                     "versions that were promoted and then proved worse by labels")),
      drift_(gauges(registry_, "rekindle_drift_score_max",
                    "largest drift score over its threshold in the last window")),
      slots_(gauge(registry_, "rekindle_slots", "slots of this host")),
      slots_used_(gauge(registry_, "rekindle_slots_used", "slots held by attempts")),
      gpus_(gauge(registry_, "rekindle_gpus", "GPUs of this host")),
      gpus_used_(gauge(registry_, "rekindle_gpus_used", "GPUs held by attempts")),
      journal_seq_(gauge(registry_, "rekindle_journal_seq", "newest durable event")),
      nodes_(gauge(registry_, "rekindle_serving_nodes", "live serving nodes")),
      windows_(gauge(registry_, "rekindle_windows_judged", "time slots judged since the start")),
      days_(gauge(registry_, "rekindle_days_settled", "days settled since the start")),
      events_waiting_(
          gauge(registry_, "rekindle_event_tasks_waiting", "tasks waiting for the event store's thread")) {}

void Metrics::commit(double seconds, size_t events) {
  commit_seconds_.Observe(seconds);
  events_committed_.Increment(static_cast<double>(events));
}

void Metrics::batch(uint32_t requests, uint32_t labels, uint32_t refused, bool duplicate) {
  (duplicate ? duplicate_batches_ : batches_).Increment();
  requests_.Increment(requests);
  labels_.Increment(labels);
  refused_.Increment(refused);
}

void Metrics::attempt_ended(const std::string& end_class) {
  attempts_ended_.Add({{"end", lower(end_class)}}).Increment();
}

void Metrics::refresh(const Now& now) {
  std::map<v1::RunState, double> by_state;
  for (int state = v1::QUEUED; state <= v1::COMPLETED; ++state)
    by_state[static_cast<v1::RunState>(state)] = 0;
  for (const auto& [id, run] : now.state->runs) by_state[run.state()] += 1;
  for (const auto& [state, count] : by_state)
    runs_.Add({{"state", lower(v1::RunState_Name(state))}}).Set(count);
  for (const auto& [name, model] : now.state->models) {
    plan_revision_.Add({{"model", name.value}}).Set(static_cast<double>(model.plan().revision()));
    champion_.Add({{"model", name.value}}).Set(static_cast<double>(registry::champion(model)));
    undone_.Add({{"model", name.value}})
        .Set(static_cast<double>(std::count_if(model.versions().begin(), model.versions().end(),
                                               [](const v1::Version& v) { return v.proved_worse(); })));
    double most = 0;
    for (const v1::Score& score : model.decision().last_window().drift())
      if (score.threshold() > 0) most = std::max(most, score.value() / score.threshold());
    drift_.Add({{"model", name.value}}).Set(most);
  }
  const core::Capacity used = core::used_now(*now.state);
  slots_.Set(now.capacity.slots);
  slots_used_.Set(used.slots);
  gpus_.Set(now.capacity.gpus);
  gpus_used_.Set(used.gpus);
  journal_seq_.Set(static_cast<double>(now.durable_seq));
  nodes_.Set(static_cast<double>(now.nodes));
  windows_.Set(static_cast<double>(now.windows_judged));
  days_.Set(static_cast<double>(now.days_settled));
  events_waiting_.Set(static_cast<double>(now.events_waiting));
}

}  // namespace rekindle::coordinator
