// What somebody would do without rekindle: a rule says when to fit, and what was fitted serves. Walks through
// history in event time, day by day, and sees a label only once it is known.
//
// Errors belong to the version that made them: those of older versions say nothing of the one in service. One
// fit at a time: while one is being made, nothing asks for another. Pure but for what `Maker` does.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backtest/judge/losses.h"
#include "backtest/policies/names.h"

namespace rekindle::backtest {

// More than this many fits and a policy is cut off: it fires at noise.
inline constexpr size_t kFitsMost = 100;

struct Course {
  struct Fitted {
    size_t fit = 0;
    int64_t as_of_us = 0;
    std::string detail;      // why
    int64_t serving_us = 0;  // 0: a shadow that never took over
  };
  Schedule schedule;
  std::vector<Fitted> fitted;  // in order, without the first version
  bool cut_off = false;
};

// What a walk is told of history.
struct History {
  const Judged& judged;
  int64_t from_us = 0, until_us = 0;
  int64_t slice_us = 0;
  int64_t label_delay_us = 0;
  int64_t run_takes_us = 0;
  int64_t window_us = 0;  // of static and dynamic thresholds
  size_t fits_most = kFitsMost;
};

// Where fits come from. Fit 0 is the first version.
struct Maker {
  // Active run_takes later. failed_precondition: what is known by then is too little to fit on.
  std::function<Result<size_t>(int64_t as_of_us)> fit_at;
  std::function<double(size_t fit, size_t row)> loss;   // of a labelled row after it is active
  std::function<double(size_t fit, size_t row)> error;  // the same, in [0, 1]: 1 is wrong
};

// Ends of slices: a last one shorter than half a slice belongs to the one before it.
std::vector<int64_t> slice_ends(int64_t from_us, int64_t until_us, int64_t slice_us);

// `policy` is not rekindle's own; of cron the number of fits is said.
Result<Course> walk(const Policy& policy, const History& history, const Maker& maker);

// How long after each of `turns` (of the best schedule) the course took over anew: 0 where it did so within
// the slice before. The median in days; NaN without turns.
double delay_days(const std::vector<int64_t>& turns, const Schedule& course, const History& history);
// The same from changes that are known: nothing before one answers it.
double delay_after(const std::vector<int64_t>& changes, const Schedule& course, const History& history);

}  // namespace rekindle::backtest
