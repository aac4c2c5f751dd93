#include "drift/unlabelled/expected_loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numeric>

#include "drift/profile.h"

namespace rekindle::drift {
namespace {

struct Moved {
  double before = 0;    // mean loss on the holdout
  double rise = 0;      // of the expected mean loss over it
  double variance = 0;  // of the rise when answers are distributed as before
};

// A bin without holdout rows says nothing: its rows are expected to lose what all did.
Moved moved(const v1::Profile& profile, std::span<const int64_t> live, double rows) {
  const auto& counts = profile.prediction().counts();
  const auto known = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  Moved out;
  out.before = std::accumulate(profile.loss_sums().begin(), profile.loss_sums().end(), 0.0) / known;
  double spread = 0, unsure = 0;
  for (int bin = 0; bin < counts.size(); ++bin) {
    if (counts[bin] == 0) continue;
    const auto count = static_cast<double>(counts[bin]);
    const double mean = profile.loss_sums(bin) / count;
    const double shift = static_cast<double>(live[static_cast<size_t>(bin)]) / rows - count / known;
    out.rise += shift * (mean - out.before);
    spread += count / known * (mean - out.before) * (mean - out.before);
    unsure += shift * shift * std::max(0.0, profile.loss_square_sums(bin) / count - mean * mean) / count;
  }
  out.variance = spread * (1 / rows + 1 / known) + unsure;
  return out;
}

}  // namespace

std::optional<v1::Score> expected_loss(const v1::Profile& profile, std::span<const int64_t> live,
                                       const v1::EstimateTrigger& trigger, int64_t min_rows) {
  const auto bins = static_cast<size_t>(profile.prediction().counts_size());
  if (static_cast<size_t>(profile.loss_sums_size()) != bins || live.size() != bins ||
      static_cast<size_t>(profile.loss_square_sums_size()) != bins)
    return std::nullopt;
  const int64_t rows = std::accumulate(live.begin(), live.end(), int64_t{0});
  v1::Score score;
  score.set_detector("expected_loss");
  score.set_feature(std::string(kPrediction));
  score.set_rows(rows);
  if (rows < std::max<int64_t>(min_rows, 1)) {
    score.set_reason(fmt::format("{} rows in the window, {} are needed", rows, min_rows));
    return score;
  }
  const Moved found = moved(profile, live, static_cast<double>(rows));
  if (!std::isfinite(found.rise)) return std::nullopt;
  const double z =
      boost::math::quantile(boost::math::complement(boost::math::normal(), trigger.false_alarms()));
  score.set_value(found.rise);
  score.set_user_threshold(trigger.rise() * std::abs(found.before));
  score.set_null_quantile(z * std::sqrt(found.variance));
  score.set_threshold(std::max(score.user_threshold(), score.null_quantile()));
  score.set_fired(found.rise > score.threshold());
  score.set_reason(
      fmt::format("the loss expected of {} rows is {:.4f}, {:+.4f} to the holdout's {:.4f}, {} {:.4f}", rows,
                  found.before + found.rise, found.rise, found.before, score.fired() ? "over" : "within",
                  score.threshold()));
  return score;
}

}  // namespace rekindle::drift
