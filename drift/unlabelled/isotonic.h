// Scores turned into probabilities by the rising step function that fits the labels best: scikit-learn 1.9's
// IsotonicRegression, straight between its steps, cut to its ends.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rekindle::drift {

class Isotonic {
 public:
  // As many labels (0 or 1) as scores (numbers), at least one.
  static Isotonic fit(std::span<const double> scores, std::span<const uint8_t> labels);
  double operator()(double score) const;

 private:
  std::vector<double> scores_, values_;  // both rising
};

}  // namespace rekindle::drift
