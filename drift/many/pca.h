// Principal components of standardised rows, and what of a row they cannot say.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "drift/many/rows.h"

namespace rekindle::drift {

struct Eigen {
  std::vector<double> values;                // falling
  std::vector<std::vector<double>> vectors;  // of length 1, in the order of the values
};

// Of a symmetric matrix (size by size), by Jacobi's rotations: slow (size cubed a sweep, some ten sweeps) and
// exact to the last digits.
Eigen eigen(std::vector<double> symmetric, size_t size);

class Pca {
 public:
  // Keeps as few components as hold more than `share` of all variance. At least two rows.
  static Pca fit(const Rows& rows, double share);

  size_t components() const { return components_.size(); }
  // Distance of a row from what the components make of it.
  double residual(std::span<const double> row) const;

 private:
  std::vector<double> mean_;
  std::vector<std::vector<double>> components_;
};

}  // namespace rekindle::drift
