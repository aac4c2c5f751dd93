// The clairvoyant: of all fits that were made, the schedule of at most K that loses least on the rows that
// came. What no policy can know, and so what each is measured against. Pure.
//
//   best(k, i) = min over j before i of best(k - 1, j) + loss of fit j from where j becomes active to where i
//   does
//   share      = (loss of never refitting - loss of the policy) / (loss of never refitting - loss of best(K))
//
// The first fit counts among the K: it is the version that was there, and keeping it for ever is best(1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backtest/judge/losses.h"

namespace rekindle::backtest {

struct Best {
  Schedule schedule;
  double loss = 0;  // sum over all labelled rows
};

class Oracle {
 public:
  // active_us[i]: from when fit i may serve; active_us[0] is the beginning. Time: fits² · `most`.
  Oracle(const Judged& judged, std::span<const FitLosses> fits, std::span<const int64_t> active_us,
         size_t most);

  // With at most `fits` (at least 1), the first included; more than there are change nothing.
  const Best& with(size_t fits) const;
  // The least number of fits with which all but `share` of what any number could gain is gained.
  size_t enough(double share) const;

 private:
  std::vector<Best> best_;  // [k - 1]
};

// NaN where nothing could be gained.
double share_of_gain(double never, double policy, double best);

// Whether never refitting lost more than the best schedule by more than chance: the differences of days are
// taken for independent, and the best is the best in hindsight, so the bar is high.
struct Gain {
  double mean = 0;            // per labelled row
  double standard_error = 0;  // of it, by day
  bool real() const { return mean > 3 * standard_error && mean > 0; }
};
Gain gain_by_day(const Judged& judged, std::span<const FitLosses> fits, const Schedule& never,
                 const Schedule& best);

}  // namespace rekindle::backtest
