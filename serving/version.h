// One loaded version of a model, shared by the requests that it answers and freed after the last of them.
//
// Immutable but for its health, whose counters are safe from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "dataio/labels.h"
#include "drift/profile.h"
#include "models/predictor.h"

namespace rekindle::serving {

// Milliseconds in buckets that grow by a fifth: a quantile is right to within that.
class Latencies {
 public:
  void add(double ms);
  double quantile(double q) const;  // upper end of the bucket that holds it; 0 without values

 private:
  static constexpr size_t kBuckets = 96;  // 1 µs to about 30 s
  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
};

struct Health {
  std::atomic<uint64_t> answered{0};  // since the version was loaded
  std::atomic<uint64_t> failed{0};    // errors and answers that are none of its label's kind
  Latencies latencies;
};

struct LoadedVersion {
  std::string model;
  uint64_t number = 0;
  std::string manifest;  // SHA-256
  std::unique_ptr<const models::Predictor> predictor;
  dataio::LabelRule rule;                          // of the card: what its answers are
  std::shared_ptr<const drift::ProfileBins> bins;  // null: a version without a profile is not counted
  mutable Health health;

  const v1::ModelCard& card() const { return predictor->card(); }
};

using VersionPtr = std::shared_ptr<const LoadedVersion>;

// Whether these are answers to so many rows: probabilities, or finite values.
bool sound_answers(const dataio::LabelRule& rule, const models::Predictions& answers, size_t rows);

// The predictions, after checking that they are sound. Only `recorded` requests count into
// the version's health: what decides a rollout must not depend on how much else was asked.
Result<models::Predictions> predict_checked(const LoadedVersion& version, const dataio::Table& rows,
                                            bool recorded);

}  // namespace rekindle::serving
