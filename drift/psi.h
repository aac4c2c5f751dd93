// Population stability index over frozen bins, and what chance alone would make of it.
//
//   PSI = sum over bins (p - q) ln(p / q),  p = (count + 0.5) / (n + 0.5 B)
// with symmetric additive smoothing, B = bins that hold a row on either side (bins empty on both sides
// say nothing and are left out). Under the null it is about chi2(B - 1) * (1/n + 1/m).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rekindle/v1/drift.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::drift {

struct Psi {
  double value = 0;
  int bins = 0;  // B
};

Psi psi(std::span<const int64_t> reference, std::span<const int64_t> live);

// Upper quantile of PSI when nothing has moved: exceeded with probability `tail`. 0 when bins < 2;
// infinite when a side is empty.
double null_quantile(int bins, double tail, int64_t reference_rows, int64_t live_rows);

// One feature judged: value, threshold = max(user, null quantile that chance exceeds with probability `tail`
// at this sample size), and the sentence. Fewer than `min_rows` live rows never fire.
v1::Score psi_score(const v1::FeatureProfile& reference, std::span<const int64_t> live,
                    const v1::DriftTrigger& trigger, double tail, int64_t min_rows);

struct FeatureWindow {
  const v1::FeatureProfile* reference = nullptr;
  std::vector<int64_t> live;  // counts over its bins
};

// All features of a window, judged together: `false_alarms` is shared over them by Benjamini and Hochberg, so
// each threshold falls with the number of features that have moved. When none has, an alarm of any has at
// most that probability.
std::vector<v1::Score> psi_scores(std::span<const FeatureWindow> features, const v1::DriftTrigger& trigger,
                                  int64_t min_rows);

}  // namespace rekindle::drift
