// Values at a few ranks of many numbers, as sorting them would give them, without sorting them all: numbers
// are counted by cells of equal width, and only cells that hold a wanted rank are sorted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rekindle::drift {

class Ranks {
 public:
  // At least one value, all finite. Ranks count from 0.
  Ranks(std::span<const double> values, std::span<const size_t> wanted);

  double least() const { return low_; }
  double greatest() const { return high_; }
  double at(size_t rank) const;  // a wanted one
  // Of a value that at() gave: the least one above it; nothing above the greatest.
  std::optional<double> above(double value) const;
  // How many are less than a value that at() or above() gave.
  size_t below(double value) const;

 private:
  static constexpr uint32_t kCells = 4096;
  uint32_t cell_of(double value) const;
  uint32_t next_filled(uint32_t cell) const;  // kCells: none
  size_t in(uint32_t cell) const { return before_[cell + 1] - before_[cell]; }

  double low_ = 0, high_ = 0, cells_per_unit_ = 0;
  std::vector<size_t> before_;               // values in earlier cells, by cell, and all
  std::vector<std::vector<double>> sorted_;  // of cells that are wanted
};

}  // namespace rekindle::drift
