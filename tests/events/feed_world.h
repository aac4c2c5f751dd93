// A seeded world for proofs about feeds: what a model is asked on two nodes, what turned out to be true, and
// ways in which the feed breaks or the world moves. Everything follows from seed, hour and row, in any order.
#pragma once

#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "tests/events/stream.h"

namespace rekindle::events::world {

// The numbers of a thing, by its name.
class Draws {
 public:
  Draws(uint64_t seed, std::string_view what, int64_t time_us = 0, int row = 0)
      : state_(stable_hash(what, seed) ^
               stable_hash(std::to_string(time_us) + "/" + std::to_string(row), seed)) {}
  double uniform() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (static_cast<double>((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
  }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * M_PI * uniform()); }
  size_t of(std::span<const double> shares) {
    double u = uniform();
    for (size_t i = 0; i < shares.size(); ++i)
      if ((u -= shares[i]) < 0) return i;
    return shares.size() - 1;
  }

 private:
  uint64_t state_;
};

struct Row {
  double delay, temp, distance;
  std::string carrier, hub;
  double answer;  // the model's
  double label;
};

inline std::vector<double> zipf(size_t n, double power) {
  std::vector<double> out;
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += out.emplace_back(std::pow(static_cast<double>(i + 1), -power));
  for (double& share : out) share /= sum;
  return out;
}

// How the world is. What it moved to is another of these.
struct Laws {
  double delay_mean = 2.5, delay_sd = 0.8;  // of the logarithm
  double temp_more = 0;                     // °F
  double far = 0.3;                         // share of long distances
  double far_mean = 1900;
  std::vector<double> carriers = zipf(8, 0.9);
  int new_carriers = 0;  // of them, the last ones
  std::array<double, 4> weights = {1.6, -1.0, 0.8, 1.0};
};

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// Moves slowly: a season of a few days, the hour of the day, and weather.
inline double temperature(uint64_t seed, int64_t time_us, const Laws& laws) {
  const double hours = static_cast<double>(time_us / kHour % 1'000'000);
  double weather = 0;
  for (int k = 0; k < 4; ++k) {
    Draws wave(seed, "weather" + std::to_string(k));
    const double period = 30 + 170 * wave.uniform();
    weather += 5 * std::sin(2 * M_PI * (hours / period + wave.uniform()));
  }
  return 50 + weather + 7 * std::sin(2 * M_PI * hours / 24) + laws.temp_more +
         0.5 * Draws(seed, "temp", time_us / kHour).normal();
}

// `answers` are by `known`, the laws that the model learned.
inline Row row(uint64_t seed, int64_t time_us, int number, const Laws& laws, const Laws& known) {
  static const std::array<double, 12> kHubs = [] {
    std::array<double, 12> out;
    const auto shares = zipf(12, 0.6);
    std::copy(shares.begin(), shares.end(), out.begin());
    return out;
  }();
  Draws draws(seed, "row", time_us, number);
  Row out;
  const double z = draws.normal();
  out.delay = std::exp(laws.delay_mean + laws.delay_sd * z);
  out.temp = std::round(temperature(seed, time_us, laws) * 10) / 10;
  out.distance =
      draws.uniform() < laws.far ? laws.far_mean + 350 * draws.normal() : 500 + 150 * draws.normal();
  const size_t carrier = draws.of(laws.carriers);
  out.carrier = "c" + std::to_string(carrier);
  out.hub = "h" + std::to_string(draws.of(kHubs));
  const auto answer = [&](const Laws& by) {
    return sigmoid(-0.6 + by.weights[0] * (std::log(out.delay) - 2.5) / 0.8 +
                   by.weights[1] * (out.temp - 50) / 10 + by.weights[2] * (out.distance - 900) / 700 +
                   by.weights[3] * (carrier % 3 == 0 ? 1 : -0.5));
  };
  out.answer = answer(known);
  out.label = draws.uniform() < answer(laws) ? 1 : 0;
  return out;
}

inline v1::JobSpec spec() {
  v1::JobSpec spec = stream_spec("world", {"delay", "temp", "distance"}, {"carrier", "hub"}, 3);
  v1::Retrain& retrain = *spec.mutable_retrain();
  retrain.mutable_persistence()->set_hits(2);
  retrain.mutable_persistence()->set_of(3);
  retrain.mutable_at_most()->set_runs(8);
  retrain.mutable_at_most()->mutable_per()->set_seconds(365 * 86400);
  retrain.mutable_at_most()->set_burst(2);
  retrain.mutable_cooldown()->set_seconds(3 * 86400);
  return spec;
}

inline v1::Profile profile(uint64_t seed) {
  const Laws laws;
  std::array<std::vector<double>, 4> numbers;
  drift::CategoryTally carrier, hub;
  for (int64_t t = kStart - 20 * kDay; t < kStart; t += kHour)
    for (int i = 0; i < 24; ++i) {
      const Row r = row(seed, t, i, laws, laws);
      const double values[] = {r.delay, r.temp, r.distance, r.answer};
      for (size_t c = 0; c < 4; ++c) numbers[c].push_back(values[c]);
      carrier.add(r.carrier);
      hub.add(r.hub);
    }
  v1::Profile out;
  *out.add_features() = drift::numeric_profile("delay", numbers[0]);
  *out.add_features() = drift::numeric_profile("temp", numbers[1]);
  *out.add_features() = drift::numeric_profile("distance", numbers[2]);
  *out.add_features() = carrier.profile("carrier");
  *out.add_features() = hub.profile("hub");
  *out.mutable_prediction() = drift::numeric_profile(drift::kPrediction, numbers[3]);
  out.set_rows(static_cast<int64_t>(numbers[0].size()));
  return out;
}

// One request of a node with its rows.
inline Asked asked(int64_t time_us, const std::string& node, const std::string& sender,
                   std::span<const Row> rows) {
  Asked out = asked_of(node + "-" + std::to_string(time_us / 1'000'000), time_us,
                       static_cast<uint32_t>(rows.size()), {"delay", "temp", "distance", "carrier", "hub"});
  v1::RequestRecord& r = out.record;
  out.labels.set_source(sender);
  for (size_t i = 0; i < rows.size(); ++i) {
    const double numbers[] = {static_cast<double>(time_us), rows[i].delay, rows[i].temp, rows[i].distance};
    for (int c = 0; c < 4; ++c) r.mutable_columns(c)->add_numbers(numbers[c]);
    r.mutable_columns(4)->add_texts(rows[i].carrier);
    r.mutable_columns(5)->add_texts(rows[i].hub);
    r.add_predictions(rows[i].answer);
    out.labels.add_labels(rows[i].label);
  }
  return out;
}

}  // namespace rekindle::events::world
