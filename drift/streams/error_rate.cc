#include "drift/streams/error_rate.h"

#include <cmath>

namespace rekindle::drift {

bool Ddm::update(double error) {
  if (detected_) *this = Ddm();
  rate_.update(error);
  const double deviation = std::sqrt(rate_.mean * (1 - rate_.mean) / rate_.n);
  if (rate_.n <= kWarmStart) return false;
  const double sum = rate_.mean + deviation;
  if (sum <= least_sum_) {
    least_rate_ = rate_.mean;
    least_deviation_ = deviation;
    least_sum_ = sum;
  }
  detected_ = sum > least_rate_ + kDriftDeviations * least_deviation_;
  warning_ = !detected_ && sum > least_rate_ + kWarningDeviations * least_deviation_;
  return detected_;
}

bool Eddm::update(double error) {
  if (detected_) *this = Eddm();
  ++items_;
  if (error != 1) return false;
  ++errors_;
  distances_.update(static_cast<double>(items_ - last_error_));
  last_error_ = items_;
  if (items_ <= kWarmStart) return false;
  const double reach = distances_.mean.mean + 2 * std::sqrt(distances_.variance());
  if (reach > greatest_) {
    greatest_ = reach;
    return false;
  }
  if (errors_ <= kWarmStart) return false;
  const double share = reach / greatest_;
  detected_ = share < kDriftShare;
  if (!detected_) warning_ = share < kWarningShare;  // river's warning stands beside a detection
  return detected_;
}

}  // namespace rekindle::drift
