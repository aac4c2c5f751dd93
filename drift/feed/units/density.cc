#include "drift/feed/units/density.h"

#include <algorithm>
#include <cmath>

namespace rekindle::drift {

namespace {

constexpr double kTail = 0.1;

}  // namespace

double order_statistic(std::span<const double> sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

double spread_of(std::span<const double> sorted) {
  return order_statistic(sorted, 0.75) - order_statistic(sorted, 0.25);
}

Density::Density(std::vector<double> values) : sorted_(std::move(values)) {
  std::sort(sorted_.begin(), sorted_.end());
  median_ = order_statistic(sorted_, 0.5);
  spread_ = spread_of(sorted_);
  low_ = order_statistic(sorted_, 0.005);
  const double least = std::max(std::abs(median_) * 1e-6, 1e-12);
  cell_ = std::max((order_statistic(sorted_, 0.995) - low_) / static_cast<double>(logs_.size()), least);
  // Half the width of Freedman and Diaconis' bins, and no cell between two values may go unseen.
  width_ = std::max(spread_ / std::cbrt(static_cast<double>(sorted_.size())), cell_);
  scale_ = std::max(spread_, least);
  for (size_t i = 0; i < logs_.size(); ++i) logs_[i] = exact(low_ + (static_cast<double>(i) + 0.5) * cell_);
}

double Density::exact(double x) const {
  const auto from = std::lower_bound(sorted_.begin(), sorted_.end(), x - width_);
  const auto until = std::upper_bound(from, sorted_.end(), x + width_);
  const double near = static_cast<double>(until - from) / (static_cast<double>(sorted_.size()) * 2 * width_);
  const double z = (x - median_) / scale_;
  return std::log((1 - kTail) * near + kTail / (M_PI * scale_ * (1 + z * z)));
}

double Density::log_at(double x) const {
  const double cell = (x - low_) / cell_;
  return cell >= 0 && cell < static_cast<double>(logs_.size()) ? logs_[static_cast<size_t>(cell)] : exact(x);
}

}  // namespace rekindle::drift
