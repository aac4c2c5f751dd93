// How likely a number is, by numbers that were seen. Pure.
#pragma once

#include <array>
#include <span>
#include <vector>

namespace rekindle::drift {

// Nats by which one reading of what was seen must be likelier than the other to be taken for it.
inline constexpr double kLikelier = 8;

// The number at a share of the sorted ones, not empty: one that was seen, never one between two.
double order_statistic(std::span<const double> sorted, double share);
double spread_of(std::span<const double> sorted);  // between the quartiles

// What lies near a number among those seen, and heavy tails.
class Density {
 public:
  explicit Density(std::vector<double> values);  // at least one
  double log_at(double x) const;
  std::span<const double> sorted() const { return sorted_; }
  double median() const { return median_; }
  double spread() const { return spread_; }

 private:
  double exact(double x) const;

  std::vector<double> sorted_;
  double median_ = 0, spread_ = 0, scale_ = 1, width_ = 1;
  // Between all but the outermost values it is looked up.
  double low_ = 0, cell_ = 1;
  std::array<double, 128> logs_ = {};
};

}  // namespace rekindle::drift
