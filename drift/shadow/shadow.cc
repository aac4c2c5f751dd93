#include "drift/shadow/shadow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace rekindle::drift {
namespace {

// A weight learns like a mean of its rows, ever more slowly, down to a floor: shares of the largest step that
// the weights of a row may take together. What the floor costs in noise, a quarter of it times the variance
// of a label, is then the same whatever the number of features; it is reached after sixty rows.
constexpr double kFastRows = 5;
constexpr double kRateFloor = 0.08;
// A sum that starts anew whenever it is nothing is looked at after each slot: by chance it exceeds this about
// once in 100,000 slots (an e-detector of that run length is bounded by sqrt(2 ln 100000) and a little more).
constexpr double kDeviations = 5;
// A sum within so many may be chance: the world changed later.
constexpr double kChanceDeviations = 2;
// What was usual is drawn once for a version; from fewer slots it would be known too badly.
constexpr double kUsualDeviations = 3;
constexpr uint32_t kUsualSlots = 100;
// Fewer, and the shadow is still learning what the version in service knows already.
constexpr int kRowsAWeight = 50;

// What a slot of a new version adds, and as much as its mean may be off by chance.
double usual(const v1::ShadowState& state) {
  const double n = state.new_slots(), mean = state.new_sum() / n;
  const double one = std::max(0.0, state.new_square_sum() / n - mean * mean);
  return mean + kUsualDeviations * std::sqrt(one / n);
}

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
  const double rate = most * std::max(kRateFloor, std::min(1.0, kFastRows / (1.0 + seen)));
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

void begin_regret(uint64_t champion, v1::ShadowState& state) {
  state.set_version(champion);
  state.clear_regret();
  state.clear_compared();
  state.clear_variance();
  state.clear_since_us();
  state.clear_new_slots();
  state.clear_new_sum();
  state.clear_new_square_sum();
}

void add_regret(double excess, double share, int64_t slot_us, v1::ShadowState& state) {
  if (state.rows() < int64_t{kRowsAWeight} * state.weights_size()) return;
  if (state.new_slots() < kUsualSlots || state.new_slots() * share < 1) {
    state.set_new_slots(state.new_slots() + 1);
    state.set_new_sum(state.new_sum() + excess * share);
    state.set_new_square_sum(state.new_square_sum() + excess * share * excess * share);
    return;
  }
  const double more = excess * share - usual(state);
  if (state.regret() <= 0) state.set_variance(0);
  state.set_regret(std::max(0.0, state.regret() + more));
  state.set_variance(state.variance() + more * more);
  if (state.regret() <= kChanceDeviations * std::sqrt(state.variance())) state.set_since_us(slot_us);
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
      "version {} has lost {:.4f} more to its shadow than when it was new (mean losses added up over "
      "windows, "
      "in {} rows{}), {} {:.4f}",
      state.version(), state.regret(), state.compared(),
      state.regret() > 0 ? " since " + format_time(time_from_micros(state.since_us())) : std::string(),
      score.fired() ? "over" : "within", score.threshold()));
  return score;
}

}  // namespace rekindle::drift
