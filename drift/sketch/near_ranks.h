// What Ranks tells, of more numbers than one wants to copy and sort: a KLL sketch (Apache DataSketches) finds
// numbers near the wanted ranks in some 20 kB, however many there are. Numbers above them, and how many lie
// below them, are exact: the numbers are gone through again, twice.
//
// Equal numbers in the same order give equal answers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rekindle::drift {

class NearRanks {
 public:
  // Values that are not finite are passed over; at least one is. Ranks count the finite ones from 0.
  NearRanks(std::span<const double> values, std::span<const size_t> wanted);

  double least() const { return low_; }
  double greatest() const { return high_; }
  // Of a wanted rank: one of the numbers, whose own rank lies within rank_error() of it.
  double at(size_t rank) const;
  // Of a value that at() gave: the least one above it; nothing above the greatest.
  std::optional<double> above(double value) const;
  // How many are less than a value that at() or above() gave.
  size_t below(double value) const;

  // As a share of all numbers; one rank in a hundred may be further off.
  static double rank_error();

 private:
  double low_ = 0, high_ = 0;
  std::vector<size_t> wanted_;
  std::vector<double> near_;    // of each wanted rank
  std::vector<double> known_;   // all that at() and above() give, rising
  std::vector<size_t> before_;  // numbers less than each of them
};

}  // namespace rekindle::drift
