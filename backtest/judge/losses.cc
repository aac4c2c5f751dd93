#include "backtest/judge/losses.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace rekindle::backtest {

size_t Judged::at(int64_t time_us) const {
  return static_cast<size_t>(std::lower_bound(times_us.begin(), times_us.end(), time_us) - times_us.begin());
}

size_t Judged::labelled_in(size_t begin, size_t end) const {
  return static_cast<size_t>(std::count(labelled.begin() + static_cast<ptrdiff_t>(begin),
                                        labelled.begin() + static_cast<ptrdiff_t>(end), true));
}

double Column::mean() const {
  return rows == 0 ? std::numeric_limits<double>::quiet_NaN() : loss / static_cast<double>(rows);
}

Column& Column::operator+=(const Column& other) {
  loss += other.loss;
  rows += other.rows;
  return *this;
}

FitLosses::FitLosses(size_t first, std::span<const double> losses) : first_(first), sums_{0}, counts_{0} {
  sums_.reserve(losses.size() + 1);
  counts_.reserve(losses.size() + 1);
  for (const double loss : losses) {
    const bool known = !std::isnan(loss);
    sums_.push_back(sums_.back() + (known ? loss : 0));
    counts_.push_back(counts_.back() + known);
  }
}

Column FitLosses::between(size_t begin, size_t end) const {
  if (begin >= end) return {};
  CHECK(begin >= first_ && end - first_ < sums_.size(), "a fit is asked about rows that it was scored on");
  return {sums_[end - first_] - sums_[begin - first_], counts_[end - first_] - counts_[begin - first_]};
}

Column lost(const Judged& judged, std::span<const FitLosses> fits, const Schedule& schedule, size_t begin,
            size_t end) {
  Column sum;
  for (size_t i = 0; i < schedule.size(); ++i) {
    const size_t from = std::max(begin, i == 0 ? 0 : judged.at(schedule[i].from_us));
    const size_t until =
        std::min(end, i + 1 == schedule.size() ? judged.rows() : judged.at(schedule[i + 1].from_us));
    if (from < until) sum += fits[schedule[i].fit].between(from, until);
  }
  return sum;
}

}  // namespace rekindle::backtest
