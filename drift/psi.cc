#include "drift/psi.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

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
  if (bins < 2) return 0;
  if (reference_rows <= 0 || live_rows <= 0) return std::numeric_limits<double>::infinity();
  const boost::math::chi_squared law(bins - 1);
  const double chi = boost::math::quantile(boost::math::complement(law, tail));
  return chi * (1 / static_cast<double>(reference_rows) + 1 / static_cast<double>(live_rows));
}

v1::Score psi_score(const v1::FeatureProfile& reference, std::span<const int64_t> live,
                    const v1::DriftTrigger& trigger, int tests, int64_t min_rows) {
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
  const double null =
      null_quantile(found.bins, trigger.false_alarms() / std::max(tests, 1), reference_rows, rows);
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

}  // namespace rekindle::drift
