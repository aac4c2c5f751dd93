// Cumulative sums of how far items stand from their own mean: Page-Hinkley and CUSUM.
//
// Page-Hinkley is exactly river 0.26.1's (two-sided, reset at the item after a detection); CUSUM is
// frouros 0.9.0's (rises only), which leaves the reset to its user: ours starts afresh at the next item.
// Both take numbers of any scale; their thresholds are in that scale, so the defaults suit error rates.
#pragma once

#include "drift/streams/running.h"

namespace rekindle::drift {

class PageHinkley {
 public:
  bool update(double value);

 private:
  static constexpr double kItemsMin = 30;
  static constexpr double kSlack = 0.005;   // a drift of the mean that is let pass, per item
  static constexpr double kThreshold = 50;  // of the sum over its least, or under its greatest
  static constexpr double kMemory = 1 - 0.0001;

  RunningMean mean_;
  double rises_ = 0, falls_ = 0;
  double least_ = 0, greatest_ = -1;
  bool detected_ = false;
};

class Cusum {
 public:
  bool update(double value);

 private:
  static constexpr double kItemsMin = 30;
  static constexpr double kSlack = 0.005;
  static constexpr double kThreshold = 50;

  RunningMean mean_;
  double sum_ = 0;
  bool detected_ = false;
};

}  // namespace rekindle::drift
