// Specs, snapshots, outcomes and reports for the tests of core/ and for the simulator.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "core/command.h"
#include "proto/time.h"
#include "registry/rollout.h"

namespace rekindle::core::testing {

inline constexpr int64_t kHourUs = 3'600'000'000;
inline constexpr int64_t kDayUs = 24 * kHourUs;

inline int64_t day_us(int month, int day) {
  return to_micros(*parse_time(fmt::format("2013-{:02}-{:02}", month, day)));
}

// A resolved spec with the documented defaults; two ranks, three triggers.
inline v1::JobSpec spec_of(const std::string& name, uint32_t ranks = 2) {
  v1::JobSpec spec;
  spec.set_rekindle(1);
  spec.set_name(name);
  auto* data = spec.mutable_data();
  data->set_initial("flights@2013-01");
  data->set_time("sched_dep");
  data->mutable_label()->set_column("late");
  *data->mutable_label()->mutable_matures() = to_proto(Seconds(86400));
  *data->mutable_lateness() = to_proto(Seconds(3600));
  *data->mutable_slot() = to_proto(Seconds(3600));
  auto* train = spec.mutable_train();
  *train->mutable_rows()->mutable_last() = to_proto(Seconds(180 * 86400));
  train->set_validation(0.1);
  train->mutable_ranks()->set_count(ranks);
  train->mutable_limits()->set_crash_retries(3);
  train->mutable_limits()->set_node_retries(10);
  *train->mutable_limits()->mutable_cancel_grace() = to_proto(Seconds(30));
  auto* retrain = spec.mutable_retrain();
  retrain->add_when()->mutable_drift()->set_psi(0.25);
  retrain->add_when()->mutable_quality()->set_delta(0.002);
  *retrain->add_when()->mutable_age() = to_proto(Seconds(90 * 86400));
  retrain->mutable_at_most()->set_runs(8);
  *retrain->mutable_at_most()->mutable_per() = to_proto(Seconds(365 * 86400));
  retrain->mutable_at_most()->set_burst(2);
  *retrain->mutable_cooldown() = to_proto(Seconds(7 * 86400));
  retrain->mutable_persistence()->set_hits(2);
  retrain->mutable_persistence()->set_of(3);
  *retrain->mutable_window() = to_proto(Seconds(7 * 86400));
  retrain->set_min_rows(1000);
  auto* gate = spec.mutable_gate();
  *gate->mutable_holdout() = to_proto(Seconds(7 * 86400));
  gate->set_metric(v1::Gate::LOG_LOSS);
  gate->set_beat(v1::Gate::CHAMPION);
  gate->set_min_rows(500);
  auto* serve = spec.mutable_serve();
  serve->set_canary(0.1);
  *serve->mutable_bake() = to_proto(Seconds(86400));
  serve->set_max_errors(0.01);
  *serve->mutable_max_latency() = to_proto(std::chrono::milliseconds(250));
  serve->set_min_requests(20);
  return spec;
}

// A command without data: jobs/task.h.
inline v1::JobSpec task_of(const std::string& name, uint32_t ranks = 1) {
  v1::JobSpec spec;
  spec.set_rekindle(1);
  spec.set_name(name);
  auto* train = spec.mutable_train();
  train->add_command("true");
  train->mutable_ranks()->set_count(ranks);
  train->mutable_limits()->set_crash_retries(3);
  train->mutable_limits()->set_node_retries(10);
  *train->mutable_limits()->mutable_cancel_grace() = to_proto(Seconds(30));
  return spec;
}

inline Apply apply_of(v1::JobSpec spec) {
  std::string sha = sha256_hex(spec.SerializeAsString());
  return {std::move(spec), std::move(sha)};
}

// Rows of [from, until), one part.
inline v1::DatasetSnapshot snapshot_of(const std::string& dataset, const std::string& name, int64_t from_us,
                                       int64_t until_us, uint64_t rows = 10000) {
  v1::DatasetSnapshot snapshot;
  snapshot.set_dataset(dataset);
  snapshot.set_name(name);
  snapshot.set_rows(rows);
  snapshot.set_first_time_us(from_us);
  snapshot.set_last_time_us(until_us - 1);
  auto* part = snapshot.add_parts();
  part->set_sha256(sha256_hex(dataset + "@" + name));
  part->set_rows(rows);
  return snapshot;
}

inline v1::DatasetSnapshot january() {
  return snapshot_of("flights", "2013-01", day_us(1, 1), day_us(2, 1));
}

inline v1::DatasetSnapshot settled_day(const std::string& model, int month, int day) {
  int64_t from = day_us(month, day);
  return snapshot_of(model, fmt::format("2013-{:02}-{:02}", month, day), from, from + kDayUs, 900);
}

// Paired sums over `rows`: mean log-losses of candidate, champion and constant rate.
inline v1::Evaluation evaluation_of(double candidate, double champion, double constant = 0.55,
                                    int64_t rows = 6000) {
  v1::Evaluation evaluation;
  auto* sums = evaluation.add_slices();
  auto n = static_cast<double>(rows);
  sums->set_rows(rows);
  sums->set_positives(rows / 5);
  sums->set_candidate_log_loss_sum(candidate * n);
  sums->set_champion_log_loss_sum(champion * n);
  sums->set_constant_log_loss_sum(constant * n);
  sums->set_gain_sum((champion - candidate) * n);
  sums->set_gain_square_sum(((champion - candidate) * (champion - candidate) + 0.01) * n);
  sums->set_candidate_auroc(0.69);
  sums->set_champion_auroc(0.66);
  return evaluation;
}

inline v1::Outcome finished(const std::string& content, const v1::Evaluation& evaluation) {
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::FINISHED);
  outcome.set_manifest(sha256_hex(content));
  *outcome.mutable_evaluation() = evaluation;
  return outcome;
}

inline v1::JudgedWindow window_of(const std::string& model, int64_t slot_us, uint64_t version, double psi) {
  v1::JudgedWindow window;
  window.set_model(model);
  window.set_slot_us(slot_us);
  window.set_version(version);
  window.set_rows(6000);
  window.set_clock_us(slot_us + 2 * kHourUs);
  window.set_until_us(slot_us + kHourUs);
  window.set_from_us(window.until_us() - 7 * kDayUs);
  auto* score = window.add_drift();
  score->set_detector("psi");
  score->set_feature("temp");
  score->set_version(version);
  score->set_value(psi);
  score->set_threshold(0.25);
  score->set_rows(6000);
  score->set_fired(psi > 0.25);
  score->set_reason("psi of temp");
  return window;
}

// One live node that has this revision and these versions ready.
inline registry::ServingView ready_view(uint64_t revision, std::vector<uint64_t> versions,
                                        uint64_t answered = 0) {
  registry::ServingView view;
  view.nodes = 1;
  view.revision = revision;
  for (uint64_t version : versions) {
    view.versions[version].ready_nodes = 1;
    view.versions[version].answered = answered;
  }
  return view;
}

}  // namespace rekindle::core::testing
