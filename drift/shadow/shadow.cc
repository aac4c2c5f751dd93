#include "drift/shadow/shadow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

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
// Parts of a sum that are kept apart: to within a few hundredths of its length it is known since when it
// grew.
constexpr int kPartsMost = 128;
// What was usual is drawn once for a version; from fewer slots it would be known too badly.
constexpr double kUsualDeviations = 3;
// Of what it lost by itself: whether that has grown only says whose the regret is.
constexpr double kLostDeviations = 2;
constexpr uint32_t kUsualSlots = 100;
// Fewer, and the shadow is still learning what the version in service knows already.
constexpr int kRowsAWeight = 50;

bool is_new(const v1::ShadowState& state, double share) {
  return state.new_slots() < kUsualSlots || state.new_slots() * share < 1;
}

// What a slot of a new version adds, and as much as its mean may be off by chance.
v1::UsualRegret usual_when_new(const v1::ShadowState& state) {
  const double n = state.new_slots();
  const auto most = [n](double sum, double square_sum, double deviations) {
    const double mean = sum / n;
    return mean + deviations * std::sqrt(std::max(0.0, square_sum / n - mean * mean) / n);
  };
  v1::UsualRegret out;
  out.set_excess(most(state.new_sum(), state.new_square_sum(), kUsualDeviations));
  out.set_lost(most(state.new_lost(), state.new_lost_square_sum(), kLostDeviations));
  return out;
}

// Nothing: nobody can say yet.
std::optional<v1::UsualRegret> usual(const v1::ShadowState& state, double share) {
  std::optional<v1::UsualRegret> out;
  if (state.has_usual_before()) out = state.usual_before();
  if (is_new(state, share)) return out;
  const v1::UsualRegret own = usual_when_new(state);
  return out && out->excess() < own.excess() ? out : own;
}

void add_part(int64_t slot_us, double sum, double lost, v1::ShadowState& state) {
  auto& parts = *state.mutable_parts();
  if (parts.size() == kPartsMost) {
    for (int i = 0; i < kPartsMost / 2; ++i) {
      v1::RegretPart both = parts[2 * i];
      both.set_slots(both.slots() + parts[2 * i + 1].slots());
      both.set_sum(both.sum() + parts[2 * i + 1].sum());
      both.set_lost(both.lost() + parts[2 * i + 1].lost());
      parts[i] = std::move(both);
    }
    parts.DeleteSubrange(kPartsMost / 2, kPartsMost / 2);
  }
  v1::RegretPart& part = *parts.Add();
  part.set_from_us(slot_us);
  part.set_slots(1);
  part.set_sum(sum);
  part.set_lost(lost);
}

// Where a mean of nothing most likely became one of something: the likelihood ratio of a tail grows with the
// square of its sum over its length. Nothing where it is the shadow that has become better, not the version
// that has become worse: there is more to learn, and the world is as it was.
int64_t grown_since(const v1::ShadowState& state, const v1::UsualRegret& usual, double share) {
  double sum = 0, slots = 0, lost = 0, most = 0, grown = 0, worse = 0;
  int64_t since_us = 0;
  for (int i = state.parts_size(); i-- > 0;) {
    const v1::RegretPart& part = state.parts(i);
    sum += part.sum();
    slots += part.slots();
    lost += part.lost();
    if (sum <= 0 || sum * sum / slots < most) continue;
    most = sum * sum / slots;
    since_us = part.from_us();
    grown = sum / slots / share;
    worse = lost / slots - usual.lost();
  }
  return worse >= grown / 2 ? since_us : 0;
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

void begin_regret(uint64_t champion, double share, const v1::RegretTrigger& trigger, v1::ShadowState& state) {
  const std::optional<v1::UsualRegret> before =
      regret_score(state, trigger).fired() ? std::nullopt : usual(state, share);
  state.set_version(champion);
  state.clear_regret();
  state.clear_compared();
  state.clear_variance();
  state.clear_since_us();
  state.clear_parts();
  state.clear_new_slots();
  state.clear_new_sum();
  state.clear_new_square_sum();
  state.clear_new_lost();
  state.clear_new_lost_square_sum();
  state.clear_usual_before();
  if (before) *state.mutable_usual_before() = *before;
}

void add_regret(const SlotLosses& slot, double share, int64_t slot_us, v1::ShadowState& state) {
  if (state.rows() < int64_t{kRowsAWeight} * state.weights_size()) return;
  const double excess = (slot.version - slot.shadow) * share;
  const std::optional<v1::UsualRegret> expected = usual(state, share);
  if (is_new(state, share)) {
    state.set_new_slots(state.new_slots() + 1);
    state.set_new_sum(state.new_sum() + excess);
    state.set_new_square_sum(state.new_square_sum() + excess * excess);
    state.set_new_lost(state.new_lost() + slot.version);
    state.set_new_lost_square_sum(state.new_lost_square_sum() + slot.version * slot.version);
  }
  if (!expected) return;
  const double more = excess - expected->excess();
  if (state.regret() <= 0) {
    state.set_variance(0);
    state.clear_parts();
  }
  state.set_regret(std::max(0.0, state.regret() + more));
  state.set_variance(state.variance() + more * more);
  add_part(slot_us, more, slot.version, state);
  state.set_since_us(grown_since(state, *expected, share));
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
  if (state.regret() > 0) score.set_since_us(state.since_us());
  const bool over = state.regret() > score.threshold(), worse = score.since_us() != 0;
  score.set_fired(over && worse);
  score.set_reason(fmt::format(
      "version {} has lost {:.4f} more to its shadow than when it was new (mean losses added up over "
      "windows, "
      "in {} rows{}), {} {:.4f}{}",
      state.version(), state.regret(), state.compared(),
      score.since_us() > 0 ? " since " + format_time(time_from_micros(state.since_us())) : std::string(),
      over ? "over" : "within", score.threshold(),
      over && !worse ? ": by itself it is no worse, its shadow has learned more" : ""));
  return score;
}

}  // namespace rekindle::drift
