#include "drift/psi.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "drift/thresholds/chance.h"
#include "drift/thresholds/multiple.h"

namespace rekindle::drift {

Psi psi(std::span<const int64_t> reference, std::span<const int64_t> live) {
  CHECK(reference.size() == live.size(), "PSI compares counts over the same bins");
  double n = 0, m = 0;
  int bins = 0;
  for (size_t i = 0; i < live.size(); ++i) {
    n += static_cast<double>(reference[i]);
    m += static_cast<double>(live[i]);
    bins += reference[i] > 0 || live[i] > 0;
  }
  Psi out{0, bins};
  for (size_t i = 0; i < live.size(); ++i) {
    if (reference[i] == 0 && live[i] == 0) continue;
    const double p = (static_cast<double>(reference[i]) + 0.5) / (n + 0.5 * bins);
    const double q = (static_cast<double>(live[i]) + 0.5) / (m + 0.5 * bins);
    out.value += (p - q) * std::log(p / q);
  }
  return out;
}

double null_quantile(int bins, double tail, int64_t reference_rows, int64_t live_rows) {
  return null_quantile(Distance::kPsi, tail, {bins, reference_rows, live_rows});
}

v1::Score psi_score(const v1::FeatureProfile& reference, std::span<const int64_t> live,
                    const v1::DriftTrigger& trigger, double tail, int64_t min_rows) {
  const std::span<const int64_t> before(reference.counts().data(),
                                        static_cast<size_t>(reference.counts_size()));
  const int64_t reference_rows = std::accumulate(before.begin(), before.end(), int64_t{0});
  const int64_t rows = std::accumulate(live.begin(), live.end(), int64_t{0});
  v1::Score score;
  score.set_detector("psi");
  score.set_feature(reference.name());
  score.set_rows(rows);
  score.set_user_threshold(trigger.psi());
  if (rows == 0 || reference_rows == 0) {
    score.set_threshold(trigger.psi());
    score.set_reason(rows == 0 ? "no rows in the window" : "the version's profile holds no rows");
    return score;
  }
  const Psi found = psi(before, live);
  const double null = null_quantile(found.bins, tail, reference_rows, rows);
  score.set_value(found.value);
  score.set_null_quantile(null);
  score.set_threshold(std::max(trigger.psi(), null));
  score.set_fired(rows >= min_rows && found.value > score.threshold());
  if (rows < min_rows)
    score.set_reason(fmt::format("{} rows in the window, {} are needed", rows, min_rows));
  else
    score.set_reason(
        fmt::format("PSI {:.3f} over {} rows is {} {:.3f} ({})", found.value, rows,
                    score.fired() ? "over" : "within", score.threshold(),
                    null > trigger.psi() ? "what chance makes of so few rows" : "the threshold asked for"));
  return score;
}

std::vector<v1::Score> psi_scores(std::span<const FeatureWindow> features, const v1::DriftTrigger& trigger,
                                  int64_t min_rows) {
  if (features.empty()) return {};
  std::vector<double> p;
  for (const FeatureWindow& feature : features) {
    const std::span<const int64_t> before(feature.reference->counts().data(),
                                          static_cast<size_t>(feature.reference->counts_size()));
    const auto rows = [](std::span<const int64_t> counts) {
      return std::accumulate(counts.begin(), counts.end(), int64_t{0});
    };
    // Too few rows to be judged are evidence of nothing.
    if (rows(feature.live) < std::max<int64_t>(min_rows, 1) || rows(before) == 0) {
      p.push_back(1);
      continue;
    }
    const Psi found = psi(before, feature.live);
    p.push_back(chance(Distance::kPsi, found.value, {found.bins, rows(before), rows(feature.live)}));
  }
  const auto moved =
      std::ranges::count_if(benjamini_hochberg(p), [&](double x) { return x <= trigger.false_alarms(); });
  const double tail = trigger.false_alarms() * static_cast<double>(std::max<std::ptrdiff_t>(moved, 1)) /
                      static_cast<double>(features.size());
  std::vector<v1::Score> out;
  for (const FeatureWindow& feature : features)
    out.push_back(psi_score(*feature.reference, feature.live, trigger, tail, min_rows));
  return out;
}

}  // namespace rekindle::drift
