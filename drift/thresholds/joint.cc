#include "drift/thresholds/joint.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "drift/thresholds/multiple.h"

namespace rekindle::drift {

JointVerdict judge(std::span<const FeatureScore> features, const JointRule& rule) {
  JointVerdict out;
  std::vector<double> p, weights;
  double all = 0;
  for (const FeatureScore& feature : features) {
    CHECK(std::isfinite(feature.weight) && feature.weight >= 0, "a weight is finite and not negative");
    // A feature that cannot fire is no test: it must not make the others' bound stricter.
    if (feature.weight == 0) continue;
    p.push_back(feature.p);
    weights.push_back(feature.weight);
    all += feature.weight;
  }
  const std::vector<double> adjusted = benjamini_hochberg(rule.weighted_evidence ? weighted(p, weights) : p);
  double moved = 0;
  size_t test = 0;
  for (const FeatureScore& feature : features) {
    out.adjusted_p.push_back(feature.weight == 0 ? 1 : adjusted[test++]);
    out.fired.push_back(feature.weight > 0 && feature.value > feature.user_threshold &&
                        out.adjusted_p.back() <= rule.false_discoveries);
    if (out.fired.back()) moved += feature.weight;
  }
  out.weight_share = all > 0 ? moved / all : 0;
  out.alarm = out.weight_share > rule.weight_share;
  return out;
}

bool persistent(const std::vector<bool>& windows, size_t hits, size_t of) {
  CHECK(hits > 0 && hits <= of, "some of the last windows, and no more than all of them");
  const auto kept = static_cast<std::ptrdiff_t>(std::min(of, windows.size()));
  return std::count(windows.end() - kept, windows.end(), true) >= static_cast<std::ptrdiff_t>(hits);
}

bool standing(bool before, double value, double fire, double clear) {
  CHECK(clear <= fire, "an alarm is lowered no higher than it is raised");
  if (value > fire) return true;
  if (value < clear) return false;
  return before;
}

}  // namespace rekindle::drift
