// Rows of numbers, one after the other: what every score over several features takes.
#pragma once

#include <cstddef>
#include <span>

#include "base/check.h"

namespace rekindle::drift {

// Not the owner of its values; `columns` > 0.
struct Rows {
  std::span<const double> values;
  size_t columns = 1;

  size_t size() const { return values.size() / columns; }
  std::span<const double> operator[](size_t row) const { return values.subspan(row * columns, columns); }
  Rows part(size_t from, size_t count) const {
    return {values.subspan(from * columns, count * columns), columns};
  }
  // Whole rows, and one at least.
  bool sound() const { return columns > 0 && !values.empty() && values.size() % columns == 0; }
};

}  // namespace rekindle::drift
