// How large the model's error on a row will be, learned from rows whose error is known: boosted trees over
// the features and the prediction.
//
// Small on purpose and without choices: 60 trees of depth 3 over at most 32 quantile bins a column, squared
// error, steps of a tenth, leaves of 20 rows or more. Missing values are a bin of their own. Deterministic.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "drift/many/rows.h"

namespace rekindle::drift {

class LossModel {
 public:
  // Refuses rows without a loss each, and losses that are negative or no numbers.
  static Result<LossModel> fit(const Rows& rows, std::span<const double> loss);
  double operator()(std::span<const double> row) const;  // never negative

 private:
  static constexpr int kDepth = 3;
  // Complete: node i has children 2 i + 1 and 2 i + 2. A value at or below the edge, or missing, goes left.
  struct Tree {
    std::array<size_t, (1 << kDepth) - 1> column{};
    std::array<double, (1 << kDepth) - 1> edge{};
    std::array<double, 1 << kDepth> leaf{};
    double operator()(std::span<const double> row) const;
  };

  size_t columns_ = 0;
  double base_ = 0;
  std::vector<Tree> trees_;
};

}  // namespace rekindle::drift
