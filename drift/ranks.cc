#include "drift/ranks.h"

#include <algorithm>
#include <boost/sort/pdqsort/pdqsort.hpp>
#include <cmath>

#include "base/check.h"

namespace rekindle::drift {

Ranks::Ranks(std::span<const double> values, std::span<const size_t> wanted) {
  CHECK(!values.empty(), "ranks of at least one value");
  const auto [least, greatest] = std::ranges::minmax(values);
  low_ = least;
  high_ = greatest;
  const double cells = kCells / (high_ - low_);
  cells_per_unit_ = std::isfinite(cells) ? cells : 0;  // no width, or too much of it: all is one cell
  std::vector<size_t> counts(kCells);
  for (const double value : values) ++counts[cell_of(value)];
  before_.assign(kCells + 1, 0);
  for (uint32_t cell = 0; cell < kCells; ++cell) before_[cell + 1] = before_[cell] + counts[cell];

  sorted_.resize(kCells);
  for (const size_t rank : wanted) {
    CHECK(rank < values.size(), "a rank is one of the values'");
    const auto cell = static_cast<uint32_t>(std::ranges::upper_bound(before_, rank) - before_.begin() - 1);
    sorted_[cell].reserve(in(cell));
    if (const uint32_t next = next_filled(cell); next < kCells) sorted_[next].reserve(in(next));
  }
  for (const double value : values)
    if (auto& cell = sorted_[cell_of(value)]; cell.capacity() > 0) cell.push_back(value);
  for (auto& cell : sorted_) boost::sort::pdqsort_branchless(cell.begin(), cell.end());
}

// Never falls as the value rises, whatever rounding does: values of an earlier cell are all below those of a
// later one.
uint32_t Ranks::cell_of(double value) const {
  return static_cast<uint32_t>(std::min(kCells - 1.0, (value - low_) * cells_per_unit_));
}

uint32_t Ranks::next_filled(uint32_t cell) const {
  while (++cell < kCells && in(cell) == 0) continue;
  return cell;
}

double Ranks::at(size_t rank) const {
  const auto cell = static_cast<size_t>(std::ranges::upper_bound(before_, rank) - before_.begin() - 1);
  return sorted_[cell][rank - before_[cell]];
}

std::optional<double> Ranks::above(double value) const {
  const uint32_t cell = cell_of(value);
  const auto found = std::ranges::upper_bound(sorted_[cell], value);
  if (found != sorted_[cell].end()) return *found;
  const uint32_t next = next_filled(cell);
  return next < kCells ? std::optional(sorted_[next].front()) : std::nullopt;
}

size_t Ranks::below(double value) const {
  const uint32_t cell = cell_of(value);
  return before_[cell] +
         static_cast<size_t>(std::ranges::lower_bound(sorted_[cell], value) - sorted_[cell].begin());
}

}  // namespace rekindle::drift
