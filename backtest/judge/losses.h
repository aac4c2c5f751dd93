// What each fit would have lost on each row after it came into service: the matrix that policies, the best
// schedule and the bands are read from. Fits are its rows; its columns are cut wherever a fit may take over,
// so a sum is exact for any schedule. Pure.
//
// Invariant: fit 0 serves from the first row on, and no other fit is asked about a row before it is active.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rekindle::backtest {

// The rows that are judged, by event time. Unlabelled rows count nowhere.
struct Judged {
  std::vector<int64_t> times_us;  // ascending
  std::vector<bool> labelled;
  size_t rows() const { return times_us.size(); }
  size_t at(int64_t time_us) const;  // the first row at or after it
  size_t labelled_in(size_t begin, size_t end) const;
};

struct Column {
  double loss = 0;  // sum
  uint64_t rows = 0;
  double mean() const;  // NaN without rows
  Column& operator+=(const Column& other);
};

// One fit's losses, summed from where it becomes active.
class FitLosses {
 public:
  // `losses`: of rows [first, first + size), NaN where the label is not known.
  FitLosses(size_t first, std::span<const double> losses);
  size_t first() const { return first_; }
  Column between(size_t begin, size_t end) const;  // begin >= first()

 private:
  size_t first_;
  std::vector<double> sums_;  // of the rows before each
  std::vector<uint64_t> counts_;
};

// When a fit takes over from the one before it.
struct Turn {
  size_t fit = 0;
  int64_t from_us = 0;
};
// By time; the first is fit 0 from the beginning.
using Schedule = std::vector<Turn>;

// All that a schedule lost between two rows.
Column lost(const Judged& judged, std::span<const FitLosses> fits, const Schedule& schedule, size_t begin,
            size_t end);

}  // namespace rekindle::backtest
