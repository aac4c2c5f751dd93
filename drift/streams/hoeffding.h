// Detectors with a bound for any distribution in [0, 1]: HDDM_A on averages, HDDM_W on weighted averages.
//
// Both compare what came since a cut with what came before it, one-sided: they fire when the mean rises.
// Each rule is exactly that of river 0.26.1, reset at the item after a detection included.
// Source: Frias-Blanco et al., "Online and non-parametric drift detection methods based on Hoeffding's
// bounds".
#pragma once

#include <limits>

#include "drift/streams/running.h"

namespace rekindle::drift {

class HddmA {
 public:
  bool update(double value);
  bool warning() const { return warning_; }

 private:
  bool rose(double confidence) const;

  RunningMean all_;
  RunningMean before_;  // the prefix with the least upper bound
  bool warning_ = false, detected_ = false;
};

class HddmW {
 public:
  bool update(double value);
  bool warning() const { return warning_; }

 private:
  struct Weighted {
    double mean = 0;
    double squares = 1;  // sum of squared weights: what McDiarmid's bound asks for
    bool empty = true;
    void update(double value);
  };
  bool rose(double confidence) const;

  Weighted all_, before_, since_;
  double cut_ = std::numeric_limits<double>::infinity();  // least upper bound so far
  bool warning_ = false, detected_ = false;
};

}  // namespace rekindle::drift
