#include "drift/shadow/shadow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace rekindle::drift {
namespace {

// Steps are large at first and never smaller than the floor, which all weights of a row share: what it costs
// in noise, kRateFloor / 4 of the variance of a label, is then the same whatever the number of features.
constexpr double kRate = 0.2;
constexpr double kRateFloor = 0.08;
// A sum that starts anew whenever it is nothing is looked at after each slot: by chance it exceeds this about
// once in 100,000 slots (an e-detector of that run length is bounded by sqrt(2 ln 100000) and a little more).
constexpr double kDeviations = 5;

}  // namespace

v1::ShadowState Shadow::begin(const v1::Profile& profile, bool regression, double label_mean,
                              double label_scale) {
  v1::ShadowState state;
  *state.mutable_features() = profile.features();
  int weights = 1;
  for (auto& feature : *state.mutable_features()) {
    weights += feature.counts_size();
    std::fill(feature.mutable_counts()->begin(), feature.mutable_counts()->end(), 0);
  }
  state.mutable_weights()->Resize(weights, 0);
  state.mutable_seen()->Resize(weights, 0);
  state.set_label_mean(label_mean);
  state.set_label_scale(label_scale);
  const double rate = std::clamp(profile.label_rate(), 0.01, 0.99);
  if (!regression) state.set_weights(weights - 1, std::log(rate / (1 - rate)));
  return state;
}

Result<Shadow> Shadow::of(v1::ShadowState& state, bool regression) {
  Shadow shadow(state, regression);
  int weights = 1;
  for (const auto& feature : state.features()) {
    shadow.features_.push_back(TRY(FeatureBins::make(feature)));
    shadow.offsets_.push_back(weights - 1);
    weights += feature.counts_size();
  }
  if (state.weights_size() != weights || state.seen_size() != weights || !(state.label_scale() > 0))
    return data_loss("the shadow's weights do not belong to its features");
  return shadow;
}

double Shadow::sum(std::span<const uint32_t> bins) const {
  double sum = state_->weights(state_->weights_size() - 1);
  for (size_t i = 0; i < bins.size(); ++i) sum += state_->weights(offsets_[i] + static_cast<int>(bins[i]));
  return sum;
}

double Shadow::answer(std::span<const uint32_t> bins) const {
  const double sum = this->sum(bins);
  return regression_ ? state_->label_mean() + state_->label_scale() * sum : 1 / (1 + std::exp(-sum));
}

void Shadow::move(int weight, double error) {
  const uint32_t seen = state_->seen(weight);
  // All weights of a row move together: their steps may not add up to more than the error.
  const double most = 1 / static_cast<double>(features_.size() + 1);
  const double rate = std::min(most, std::max(kRateFloor * most, kRate / std::sqrt(1.0 + seen)));
  state_->set_weights(weight, state_->weights(weight) + rate * error);
  if (seen < UINT32_MAX) state_->set_seen(weight, seen + 1);
}

void Shadow::learn(std::span<const uint32_t> bins, double label) {
  const double target = regression_ ? (label - state_->label_mean()) / state_->label_scale() : label;
  const double sum = this->sum(bins);
  const double error = target - (regression_ ? sum : 1 / (1 + std::exp(-sum)));
  // A single far-off number is not the world.
  const double bounded = std::clamp(error, -4.0, 4.0);
  for (size_t i = 0; i < bins.size(); ++i) move(offsets_[i] + static_cast<int>(bins[i]), bounded);
  move(state_->weights_size() - 1, bounded);
  state_->set_rows(state_->rows() + 1);
}

void add_regret(double excess, double share, int64_t slot_us, v1::ShadowState& state) {
  const double more = excess * share;
  if (state.regret() <= 0) {
    state.set_since_us(slot_us);
    state.set_variance(0);
  }
  state.set_regret(std::max(0.0, state.regret() + more));
  state.set_variance(state.variance() + more * more);
}

v1::Score regret_score(const v1::ShadowState& state, const v1::RegretTrigger& trigger) {
  v1::Score score;
  score.set_detector("regret");
  score.set_version(state.version());
  score.set_rows(state.compared());
  score.set_value(state.regret());
  score.set_user_threshold(trigger.loss());
  score.set_null_quantile(kDeviations * std::sqrt(state.variance()));
  score.set_threshold(std::max(score.user_threshold(), score.null_quantile()));
  score.set_fired(state.regret() > score.threshold());
  if (state.regret() > 0) score.set_since_us(state.since_us());
  score.set_reason(fmt::format(
      "version {} has lost {:.4f} more than its shadow (mean losses added up over windows, "
      "in {} rows{}), {} {:.4f}",
      state.version(), state.regret(), state.compared(),
      state.regret() > 0 ? " since " + format_time(time_from_micros(state.since_us())) : std::string(),
      score.fired() ? "over" : "within", score.threshold()));
  return score;
}

}  // namespace rekindle::drift
