// Detectors that compare the newest items with those before: KSWIN, STEPD, FHDDM. Memory is one window.
//
// KSWIN and FHDDM are exactly river 0.26.1's; STEPD is frouros 0.9.0's statistic, starting afresh at the
// item after a detection (frouros leaves that to its user). Sources: Raab et al., "Reactive soft prototype
// computing" (KSWIN); Nishida and Yamauchi, "Detecting concept drift using statistical testing" (STEPD);
// Pesaranghader and Viktor, "Fast Hoeffding drift detection method" (FHDDM).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "drift/streams/python_random.h"

namespace rekindle::drift {

// Numbers of any scale: Kolmogorov-Smirnov between the newest 30 and 30 drawn from the 70 before them. The
// window is kept sorted, so that an item costs one insertion and one walk.
class Kswin {
 public:
  explicit Kswin(uint32_t seed) : seed_(seed), random_(seed) {}
  bool update(double value);

 private:
  static constexpr size_t kWindow = 100, kRecent = 30;
  static constexpr double kAlpha = 0.005;
  static constexpr double kDistanceMin = 0.1;

  void insert(double value);
  bool apart_by(int thirtieths);  // the newest, and as many drawn of the older ones

  uint32_t seed_;
  PythonRandom random_;
  std::vector<uint32_t> drawn_;         // kept for its memory alone
  std::array<double, kWindow> sorted_;  // the values, ascending,
  std::array<uint8_t, kWindow> slots_;  // and of each the slot in which it came
  size_t size_ = 0, next_ = 0;          // of the window; the slot of the next item, which is the oldest's
  bool detected_ = false;
};

// Items are 1 for a CORRECT answer: equal proportions in the newest 30 and in all before them.
class Stepd {
 public:
  bool update(double correct);
  bool warning() const { return warning_; }

 private:
  static constexpr size_t kRecent = 30;
  static constexpr double kDriftAlpha = 0.003, kWarningAlpha = 0.05;

  std::deque<double> recent_;
  double items_ = 0, correct_ = 0, correct_recent_ = 0;
  bool warning_ = false, detected_ = false;
};

// Items are 1 for a CORRECT answer: fires when the share of the newest 100 falls far below its greatest.
class Fhddm {
 public:
  bool update(double correct);

 private:
  static constexpr size_t kWindow = 100;
  static constexpr double kConfidence = 1e-6;

  std::deque<double> window_;
  double correct_ = 0, greatest_ = 0;
  bool detected_ = false;
};

}  // namespace rekindle::drift
