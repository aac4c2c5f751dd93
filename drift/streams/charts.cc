#include "drift/streams/charts.h"

#include <algorithm>

namespace rekindle::drift {

bool PageHinkley::update(double value) {
  if (detected_) *this = PageHinkley();
  mean_.update(value);
  const double off = value - mean_.mean;
  rises_ = kMemory * rises_ + off - kSlack;
  falls_ = kMemory * falls_ + off + kSlack;
  least_ = mean_.n == 1 ? rises_ : std::min(least_, rises_);
  greatest_ = std::max(greatest_, falls_);
  detected_ = mean_.n >= kItemsMin && (rises_ - least_ > kThreshold || greatest_ - falls_ > kThreshold);
  return detected_;
}

bool Cusum::update(double value) {
  if (detected_) *this = Cusum();
  mean_.update(value);
  sum_ = std::max(0.0, sum_ + value - mean_.mean - kSlack);
  detected_ = mean_.n >= kItemsMin && sum_ > kThreshold;
  return detected_;
}

}  // namespace rekindle::drift
