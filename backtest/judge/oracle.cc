#include "backtest/judge/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace rekindle::backtest {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;
constexpr double kNever = std::numeric_limits<double>::infinity();

}  // namespace

Oracle::Oracle(const Judged& judged, std::span<const FitLosses> fits, std::span<const int64_t> active_us,
               size_t most) {
  const size_t n = fits.size();
  CHECK(n > 0 && active_us.size() == n, "there is at least the first fit");
  // In the order in which they may take over; the first fit stays first.
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin() + 1, order.end(),
                   [&](size_t a, size_t b) { return active_us[a] < active_us[b]; });
  std::vector<size_t> from(n);  // first row
  for (size_t i = 0; i < n; ++i) from[i] = i == 0 ? 0 : judged.at(active_us[order[i]]);

  const size_t rounds = std::clamp<size_t>(most, 1, n);
  // cost[i]: least loss of the rows before fit i takes over, with so many fits before and with it.
  std::vector<std::vector<double>> cost(rounds, std::vector<double>(n, kNever));
  std::vector<std::vector<size_t>> before(rounds, std::vector<size_t>(n, 0));
  cost[0][0] = 0;
  for (size_t k = 1; k < rounds; ++k)
    for (size_t i = 1; i < n; ++i)
      for (size_t j = 0; j < i; ++j) {
        if (cost[k - 1][j] == kNever || from[j] > from[i]) continue;
        const double sum = cost[k - 1][j] + fits[order[j]].between(from[j], from[i]).loss;
        if (sum < cost[k][i]) cost[k][i] = sum, before[k][i] = j;
      }
  for (size_t k = 0; k < rounds; ++k) {
    Best best = best_.empty() ? Best{{}, kNever} : best_.back();
    for (size_t i = 0; i < n; ++i) {
      if (cost[k][i] == kNever) continue;
      const double sum = cost[k][i] + fits[order[i]].between(from[i], judged.rows()).loss;
      if (!(sum < best.loss)) continue;
      best = {{}, sum};
      for (size_t at = i, left = k;; at = before[left][at], --left) {
        best.schedule.insert(best.schedule.begin(), Turn{order[at], active_us[order[at]]});
        if (left == 0) break;
      }
    }
    best_.push_back(std::move(best));
  }
}

const Best& Oracle::with(size_t fits) const {
  CHECK(fits > 0, "the first fit is always there");
  return best_[std::min(fits, best_.size()) - 1];
}

size_t Oracle::enough(double share) const {
  const double all = best_.front().loss - best_.back().loss;
  for (size_t k = 0; k < best_.size(); ++k)
    if (best_.front().loss - best_[k].loss >= (1 - share) * all) return k + 1;
  return best_.size();
}

double share_of_gain(double never, double policy, double best) {
  if (!(best < never)) return std::numeric_limits<double>::quiet_NaN();
  return (never - policy) / (never - best);
}

Gain gain_by_day(const Judged& judged, std::span<const FitLosses> fits, const Schedule& never,
                 const Schedule& best) {
  std::vector<double> days;
  double rows = 0;
  for (size_t begin = 0; begin < judged.rows();) {
    const int64_t day = judged.times_us[begin] - judged.times_us[begin] % kDayUs;
    const size_t end = judged.at(day + kDayUs);
    const Column kept = lost(judged, fits, never, begin, end);
    days.push_back(kept.loss - lost(judged, fits, best, begin, end).loss);
    rows += static_cast<double>(kept.rows);
    begin = end;
  }
  Gain gain;
  if (rows == 0) return gain;
  const double n = static_cast<double>(days.size());
  const double sum = std::accumulate(days.begin(), days.end(), 0.0);
  double squares = 0;
  for (const double day : days) squares += (day - sum / n) * (day - sum / n);
  gain.mean = sum / rows;
  gain.standard_error = n > 1 ? std::sqrt(squares * n / (n - 1)) / rows : kNever;
  return gain;
}

}  // namespace rekindle::backtest
