// Traffic for tests of the event store: a small model, its requests by the hour, batches as nodes send
// them. Everything follows from the event time, so that two runs make the same rows.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "tests/events/stream.h"

namespace rekindle::events {

inline v1::JobSpec demand_spec() {
  return stream_spec("demand", {"temp"}, {"origin"}, 7);
}

// One request of `rows` rows. `shift` moves temp, `wrong` makes most labels contradict the
// predictions, `inverted` all of them; `version` answers.
struct Habit {
  double shift = 0;
  bool wrong = false;
  bool inverted = false;
  bool no_temp = false;
  uint64_t version = 1;
};
inline Asked request(int64_t time_us, int number, uint32_t rows, uint64_t version = 1,
                     const Habit& habit = {}) {
  Asked out = asked_of("r" + std::to_string(time_us / 1'000'000) + "-" + std::to_string(number), time_us,
                       rows, {"temp", "origin"});
  v1::RequestRecord& r = out.record;
  r.set_version(version);
  v1::ColumnValues &at = *r.mutable_columns(0), &temp = *r.mutable_columns(1),
                   &origin = *r.mutable_columns(2);
  for (uint32_t i = 0; i < rows; ++i) {
    const uint64_t h = stable_hash(r.request_id(), i);
    at.add_numbers(static_cast<double>(time_us + i * 1'000'000));
    temp.add_numbers(habit.no_temp ? std::nan("") : static_cast<double>(h % 1000) / 20 + habit.shift);
    origin.add_texts(h % 3 == 0 ? "EWR" : h % 3 == 1 ? "JFK" : "LGA");
    const double p = (h / 7 % 2 == 0 ? 0.05 : 0.85) + 0.1 * static_cast<double>(h / 14 % 100) / 100;
    r.add_predictions(p);
    const bool late = static_cast<double>(h / 1400 % 1000) / 1000 < p;
    const bool turned = habit.inverted || (habit.wrong && h / 1'400'000 % 8 < 5);
    out.labels.add_labels(late != turned ? 1 : 0);
  }
  return out;
}

inline v1::Profile demand_profile() {
  std::vector<double> temp, predictions;
  drift::CategoryTally origin;
  for (int64_t t = kStart - 20 * kDay; t < kStart; t += kHour) {
    const Asked asked = request(t, 0, 10);
    for (double x : asked.record.columns(1).numbers()) temp.push_back(x);
    for (const auto& x : asked.record.columns(2).texts()) origin.add(x);
    for (double p : asked.record.predictions()) predictions.push_back(p);
  }
  v1::Profile profile;
  *profile.add_features() = drift::numeric_profile("temp", temp);
  *profile.add_features() = origin.profile("origin");
  *profile.mutable_prediction() = drift::numeric_profile(drift::kPrediction, predictions);
  profile.set_rows(static_cast<int64_t>(temp.size()));
  return profile;
}

// A serving node: numbers its batches and counts what it answers.
class Node {
 public:
  explicit Node(std::string name) : name_(std::move(name)) {}

  v1::EventBatch batch(const std::vector<v1::RequestRecord>& requests,
                       const std::vector<v1::LabelRecord>& labels) {
    static const v1::Profile profile = demand_profile();
    static const auto bins = *drift::ProfileBins::make(profile);
    v1::EventBatch out;
    out.set_node(name_);
    out.set_boot("boot-1");
    out.set_seq(++seq_);
    out.set_model("demand");
    std::map<uint64_t, drift::CountsBuilder> counts;
    for (const auto& record : requests) {
      *out.add_requests() = record;
      count(record,
            counts.try_emplace(record.version(), bins, record.version(), Micros(kHour)).first->second);
    }
    for (auto& [version, builder] : counts)
      for (auto& slot : builder.take()) *out.add_counts() = std::move(slot);
    for (const auto& record : labels) *out.add_labels() = record;
    return out;
  }

 private:
  std::string name_;
  uint64_t seq_ = 0;
};

// The batches of `days` days in the order of time: each hour's requests, and the labels of a day ago.
inline std::vector<v1::EventBatch> batches(int days, int requests_an_hour, uint32_t rows,
                                           const std::function<Habit(int64_t)>& habit = {}) {
  Node a("node-a"), b("node-b");
  std::vector<v1::EventBatch> out;
  const auto asked = [&](int64_t t, int i) {
    const Habit now = habit ? habit(t) : Habit{};
    return request(t + i * 60'000'000, i, rows, now.version, now);
  };
  for (int64_t t = kStart; t < kStart + (days + 1) * kDay; t += kHour) {
    std::vector<v1::RequestRecord> of_a, of_b;
    std::vector<v1::LabelRecord> labels;
    for (int i = 0; i < requests_an_hour; ++i) {
      if (t < kStart + days * kDay) (i % 2 == 0 ? of_a : of_b).push_back(asked(t, i).record);
      if (t >= kStart + kDay) labels.push_back(asked(t - kDay, i).labels);
    }
    out.push_back(a.batch(of_a, labels));
    if (!of_b.empty()) out.push_back(b.batch(of_b, {}));
  }
  return out;
}

}  // namespace rekindle::events
