// Running mean and variance, updated in the order of river 0.26.1, so that sums round alike.
#pragma once

namespace rekindle::drift {

struct RunningMean {
  double n = 0;
  double mean = 0;

  void update(double value) {
    n += 1;
    mean += (value - mean) / n;
  }
};

// Welford's sums; variance() divides by n - 1.
struct RunningVariance {
  RunningMean mean;
  double squares = 0;

  void update(double value) {
    const double before = mean.mean;
    mean.update(value);
    squares += (value - before) * (value - mean.mean);
  }
  double variance() const { return mean.n > 1 ? squares / (mean.n - 1) : 0; }
};

}  // namespace rekindle::drift
