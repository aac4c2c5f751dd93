#include "drift/streams/windows.h"

#include <algorithm>
#include <cmath>

#include "drift/distances/ks_law.h"
#include "drift/distances/samples.h"

namespace rekindle::drift {

bool Kswin::update(double value) {
  if (detected_) {  // river forgets all, its random state too
    window_.clear();
    random_ = PythonRandom(seed_);
    detected_ = false;
  }
  window_.push_back(value);
  if (window_.size() > kWindow) window_.pop_front();
  if (window_.size() < kWindow) return false;
  drawn_.clear();
  for (const uint32_t at : random_.sample(kWindow - kRecent, kRecent)) drawn_.push_back(window_[at]);
  recent_.assign(window_.end() - kRecent, window_.end());
  std::ranges::sort(drawn_);
  std::ranges::sort(recent_);
  const double distance = ks_distance(drawn_, recent_);
  detected_ = distance > kDistanceMin && ks_p_value(distance, kRecent, kRecent) <= kAlpha;
  return detected_;
}

bool Stepd::update(double correct) {
  if (detected_) *this = Stepd();
  items_ += 1;
  correct_ += correct;
  correct_recent_ += correct;
  recent_.push_back(correct);
  if (recent_.size() > kRecent) {
    correct_recent_ -= recent_.front();
    recent_.pop_front();
  }
  warning_ = false;
  if (items_ < 2 * kRecent) return false;
  const double n = kRecent, before = items_ - n, inverse = 1 / before + 1 / n, rate = correct_ / items_;
  const double apart = std::abs((correct_ - correct_recent_) / before - correct_recent_ / n);
  const double z = (apart - 0.5 * inverse) / std::sqrt(rate * (1 - rate) * inverse);
  // A NaN (all alike) compares false and so is no detection; frouros takes the size of z.
  const double tail = 0.5 * std::erfc(std::abs(z) / std::sqrt(2.0));
  detected_ = tail < kDriftAlpha;
  warning_ = !detected_ && tail < kWarningAlpha;
  return detected_;
}

bool Fhddm::update(double correct) {
  if (detected_) *this = Fhddm();
  window_.push_back(correct);
  correct_ += correct;
  if (window_.size() < kWindow) return false;
  const double share = correct_ / static_cast<double>(kWindow);
  greatest_ = std::max(greatest_, share);
  detected_ = greatest_ - share > std::sqrt(std::log(1 / kConfidence) / (2.0 * kWindow));
  correct_ -= window_.front();
  window_.pop_front();
  return detected_;
}

}  // namespace rekindle::drift
