// Detectors that watch the error rate of a classifier as a control chart: DDM and EDDM.
//
// Items are 1 for an error and 0 for a correct answer. Each rule is exactly that of river 0.26.1, reset
// at the item after a detection included, so that indices of detections and warnings equal river's.
// Sources: Gama et al., "Learning with drift detection" (DDM); Baena-Garcia et al., "Early drift
// detection method" (EDDM).
#pragma once

#include <cstdint>
#include <limits>

#include "drift/streams/running.h"

namespace rekindle::drift {

// Fires when error rate plus deviation stand three deviations over the least that was seen.
class Ddm {
 public:
  bool update(double error);
  bool warning() const { return warning_; }

 private:
  static constexpr double kWarmStart = 30;  // items before the first judgement
  static constexpr double kWarningDeviations = 2, kDriftDeviations = 3;

  RunningMean rate_;
  double least_rate_ = 0, least_deviation_ = 0;
  double least_sum_ = std::numeric_limits<double>::infinity();
  bool warning_ = false, detected_ = false;
};

// Fires when the distances between errors have shrunk to 0.9 of the longest that were usual.
class Eddm {
 public:
  bool update(double error);
  bool warning() const { return warning_; }

 private:
  static constexpr int64_t kWarmStart = 30;  // items, and errors, before the first judgement
  static constexpr double kWarningShare = 0.95, kDriftShare = 0.9;

  RunningVariance distances_;
  int64_t items_ = 0, errors_ = 0, last_error_ = 0;
  double greatest_ = -1;
  bool warning_ = false, detected_ = false;
};

}  // namespace rekindle::drift
