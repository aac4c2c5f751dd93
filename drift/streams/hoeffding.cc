#include "drift/streams/hoeffding.h"

#include <cmath>

namespace rekindle::drift {

namespace {

constexpr double kDriftConfidence = 0.001, kWarningConfidence = 0.005;
constexpr double kWeight = 0.05;  // of the newest item in HDDM_W

double hoeffding(double n) {
  return std::sqrt(1.0 / (2 * n) * std::log(1.0 / kDriftConfidence));
}

double mcdiarmid(double squares, double confidence) {
  return std::sqrt(squares * std::log(1 / confidence) / 2);
}

}  // namespace

bool HddmA::update(double value) {
  if (detected_) *this = HddmA();
  all_.update(value);
  if (before_.n == 0 || before_.mean + hoeffding(before_.n) >= all_.mean + hoeffding(all_.n)) before_ = all_;
  detected_ = rose(kDriftConfidence);
  warning_ = !detected_ && rose(kWarningConfidence);
  return detected_;
}

bool HddmA::rose(double confidence) const {
  if (before_.n == all_.n) return false;
  const double m = (all_.n - before_.n) / before_.n * (1.0 / all_.n);
  return all_.mean - before_.mean >= std::sqrt(m / 2 * std::log(2.0 / confidence));
}

void HddmW::Weighted::update(double value) {
  mean = empty ? value : kWeight * value + (1 - kWeight) * mean;
  empty = false;
  squares = kWeight * kWeight + (1 - kWeight) * (1 - kWeight) * squares;
}

bool HddmW::update(double value) {
  if (detected_) *this = HddmW();
  all_.update(value);
  const double upper = all_.mean + mcdiarmid(all_.squares, kDriftConfidence);
  if (upper < cut_) {
    cut_ = upper;
    before_ = all_;
    since_ = Weighted();
  } else {
    since_.update(value);
  }
  detected_ = rose(kDriftConfidence);
  warning_ = !detected_ && rose(kWarningConfidence);
  return detected_;
}

bool HddmW::rose(double confidence) const {
  if (before_.empty || since_.empty) return false;
  return since_.mean - before_.mean > mcdiarmid(before_.squares + since_.squares, confidence);
}

}  // namespace rekindle::drift
