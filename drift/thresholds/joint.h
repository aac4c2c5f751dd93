// From the scores of one window's features to one alarm, and from windows to a standing one.
//
// Pure: nothing is kept here; who calls keeps the hits and the standing alarm. Nothing in these rules depends
// on the order of the features.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace rekindle::drift {

struct FeatureScore {
  double value = 0;
  double user_threshold = 0;
  double p = 1;       // of the value if nothing has moved (chance.h, or a test's own)
  double weight = 1;  // how much the model leans on the feature; >= 0
};

struct JointRule {
  // Share of false ones allowed among the features that fire (Benjamini-Hochberg).
  double false_discoveries = 0.01;
  // The features that fire must hold more than this share of all weight; 0: one of any weight is enough.
  double weight_share = 0;
  // Also let weights decide how much evidence a feature needs (multiple.h, weighted).
  bool weighted_evidence = false;
};

struct JointVerdict {
  std::vector<bool> fired;         // per feature: over the user's threshold and more than chance
  std::vector<double> adjusted_p;  // per feature
  double weight_share = 0;         // of the features that fired
  bool alarm = false;
};

// Features without weight never fire. No feature: no alarm.
JointVerdict judge(std::span<const FeatureScore> features, const JointRule& rule);

// At least `hits` of the last `of` windows (oldest first) were over; 0 < hits <= of. Fewer windows than `of`
// are enough once they hold the hits.
bool persistent(const std::vector<bool>& windows, size_t hits, size_t of);

// An alarm with hysteresis: raised above `fire`, lowered below `clear` (<= fire), as it was in between. NaN
// is in between: a window that could not be judged changes nothing.
bool standing(bool before, double value, double fire, double clear);

}  // namespace rekindle::drift
