#include "serving/metrics.h"

namespace rekindle::serving {
namespace {

// From a tenth of a millisecond, a small request on an idle core, to the seconds of an overloaded one.
const prometheus::Histogram::BucketBoundaries kSeconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                       0.025,  0.05,    0.1,    0.25,  0.5,    1,     2.5};

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

prometheus::Gauge& NodeMetrics::gauge(const char* name, const char* help) {
  return gauges(registry_, name, help).Add({});
}

NodeMetrics::NodeMetrics()
    : requests_(counters(registry_, "rekindle_infer_requests_total",
                         "Infer calls by answering version and status")),
      rows_(counters(registry_, "rekindle_infer_rows_total", "Rows answered, by version")),
      seconds_(prometheus::BuildHistogram()
                   .Name("rekindle_infer_seconds")
                   .Help("Time from a read request to its answer")
                   .Register(registry_)),
      revision_(gauges(registry_, "rekindle_plan_revision", "Serving plan that is wholly in force")),
      ready_(gauges(registry_, "rekindle_model_ready", "1 when the model answers")),
      versions_(gauges(registry_, "rekindle_version_state", "1 for the state that a planned version is in")),
      predictor_up_(gauges(registry_, "rekindle_predictor_up", "1 when the version's process is ready")),
      predictor_restarts_(gauges(registry_, "rekindle_predictor_restarts",
                                 "Times that the version's process was started again")),
      predictor_memory_(gauges(registry_, "rekindle_predictor_memory_bytes",
                               "Resident memory of the version's process and its descendants")),
      swaps_(gauge("rekindle_swaps", "Snapshots put into service since the start")),
      spool_records_(gauge("rekindle_spool_records", "Requests and labels not yet acknowledged")),
      spool_bytes_(gauge("rekindle_spool_bytes", "Size of the spool on disk")),
      dropped_(
          gauge("rekindle_spool_dropped_requests", "Request records lost to a full spool since the start")),
      damaged_(gauge("rekindle_spool_damaged_frames", "Torn or damaged frames found in the spool")),
      written_requests_(gauge("rekindle_recorded_requests", "Request records written since the start")),
      written_labels_(gauge("rekindle_recorded_labels", "Labels written since the start")),
      sent_(gauge("rekindle_batches_sent", "Event batches acknowledged since the start")),
      refused_(gauge("rekindle_batches_refused", "Event batches that the coordinator refused for good")),
      coordinator_(gauge("rekindle_coordinator_reachable", "1 when the coordinator took the last report")) {}

void NodeMetrics::infer(const std::string& model, uint64_t version, int status, size_t rows, double seconds) {
  const std::string number = std::to_string(version);
  requests_.Add({{"model", model}, {"version", number}, {"status", std::to_string(status)}}).Increment();
  seconds_.Add({{"model", model}}, kSeconds).Observe(seconds);
  if (status == 200) rows_.Add({{"model", model}, {"version", number}}).Increment(static_cast<double>(rows));
}

// A version that is no longer loaded has no gauges: one that stays at 0 would raise alarms.
void NodeMetrics::refresh_processes(const Follower& follower) {
  std::lock_guard lock(processes_mutex_);
  auto past = std::move(processes_);
  processes_.clear();
  for (const Follower::Process& process : follower.processes()) {
    const std::pair key(process.model, process.version);
    const std::map<std::string, std::string> labels = {{"model", process.model},
                                                       {"version", std::to_string(process.version)}};
    const ProcessGauges gauges{&predictor_up_.Add(labels), &predictor_restarts_.Add(labels),
                               &predictor_memory_.Add(labels)};
    gauges.up->Set(process.figures.state == models::ProcessFigures::State::kReady ? 1 : 0);
    gauges.restarts->Set(static_cast<double>(process.figures.restarts));
    gauges.memory->Set(static_cast<double>(process.figures.memory_bytes));
    processes_[key] = gauges;
    past.erase(key);
  }
  for (const auto& [key, gauges] : past) {
    predictor_up_.Remove(gauges.up);
    predictor_restarts_.Remove(gauges.restarts);
    predictor_memory_.Remove(gauges.memory);
  }
}

void NodeMetrics::refresh(const Sources& sources) {
  refresh_processes(*sources.follower);
  for (const v1::NodeReport& report : sources.follower->reports()) {
    const auto snapshot = sources.follower->find(report.model())->snapshot();
    ready_.Add({{"model", report.model()}}).Set(snapshot && snapshot->ready() ? 1 : 0);
    revision_.Add({{"model", report.model()}}).Set(static_cast<double>(report.revision()));
    for (const v1::VersionHealth& version : report.versions()) {
      for (const auto state :
           {v1::VersionHealth::LOADING, v1::VersionHealth::READY, v1::VersionHealth::FAILED})
        versions_
            .Add({{"model", report.model()},
                  {"version", std::to_string(version.version())},
                  {"state", v1::VersionHealth::State_Name(state)}})
            .Set(version.state() == state ? 1 : 0);
    }
  }
  const SpoolTotals totals = sources.spool->totals();
  const Flushed written = sources.recorder->flushed();
  swaps_.Set(static_cast<double>(sources.follower->swaps()));
  spool_records_.Set(static_cast<double>(totals.records));
  spool_bytes_.Set(static_cast<double>(totals.bytes));
  dropped_.Set(static_cast<double>(totals.dropped_requests));
  damaged_.Set(static_cast<double>(totals.damaged_frames));
  written_requests_.Set(static_cast<double>(written.requests));
  written_labels_.Set(static_cast<double>(written.labels));
  sent_.Set(static_cast<double>(sources.sender->sent()));
  refused_.Set(static_cast<double>(sources.sender->refused()));
  coordinator_.Set(sources.link->connected() ? 1 : 0);
}

}  // namespace rekindle::serving
