// Logistic regression with a ridge, by Newton's steps: scikit-learn's LogisticRegression with C = 1 / ridge.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "drift/many/rows.h"

namespace rekindle::drift {

class Logistic {
 public:
  // Least log-loss plus ridge / 2 times the squared weights (> 0; the intercept is free). Rows are numbers,
  // on about one scale; each label (0 or 1) occurs.
  static Logistic fit(const Rows& rows, std::span<const uint8_t> labels, double ridge = 1);
  double operator()(std::span<const double> row) const;  // log odds

 private:
  std::vector<double> weights_;  // the intercept last
};

}  // namespace rekindle::drift
