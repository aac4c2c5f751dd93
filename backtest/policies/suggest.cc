#include "backtest/policies/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/units.h"

namespace rekindle::backtest {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kParts = 3;

// Fits over the whole history, where that is known beforehand; else 0.
uint64_t by_calendar(const Policy& policy, const History& history) {
  if (policy.kind != Kind::kEvery) return 0;
  return static_cast<uint64_t>((history.until_us - history.from_us - 1) / policy.every.count());
}

}  // namespace

const std::vector<Policy>& candidates() {
  static const std::vector<Policy> all = [] {
    std::vector<Policy> out;
    for (const char* name : {"never",       "every:168d",  "every:112d",  "every:84d",   "every:56d",
                             "every:42d",   "every:28d",   "every:21d",   "every:14d",   "every:7d",
                             "dynamic:20%", "dynamic:10%", "dynamic:5%",  "adwin:0.002", "adwin:0.05",
                             "hddm-a",      "ddm",         "regret:0.02", "regret:0.01", "regret:0.005"}) {
      const auto policy = parse_policy(name);
      CHECK(policy.ok(), policy.status().message());
      out.push_back(*policy);
    }
    return out;
  }();
  return all;
}

Result<Suggestion> suggest(const History& history, const Maker& maker, uint64_t budget) {
  const int64_t third = (history.until_us - history.from_us) / kParts;
  History seen = history;
  seen.until_us = history.from_us + third - third % kDayUs;
  const uint64_t share = std::max<uint64_t>(1, budget / kParts);
  seen.fits_most = share + 1;  // one more than may be, and it is out
  const size_t end = history.judged.at(seen.until_us);
  Suggestion best{{}, seen.until_us, std::numeric_limits<double>::infinity()};
  for (const Policy& policy : candidates()) {
    if (by_calendar(policy, history) > budget) continue;
    const Course course = TRY(walk(policy, seen, maker));
    if (course.fitted.size() > share) continue;
    Column sum;
    size_t turn = 0;
    for (size_t row = 0; row < end; ++row) {
      if (!history.judged.labelled[row]) continue;
      while (turn + 1 < course.schedule.size() &&
             course.schedule[turn + 1].from_us <= history.judged.times_us[row])
        ++turn;
      sum += {maker.loss(course.schedule[turn].fit, row), 1};
    }
    if (sum.rows > 0 && sum.mean() < best.tuned_loss) {
      best.policy = policy;
      best.tuned_loss = sum.mean();
    }
  }
  if (std::isfinite(best.tuned_loss)) return best;
  return failed_precondition("the first third of the history has no labelled rows to tune a policy on");
}

std::string spec_words(const Policy& policy) {
  if (policy.kind == Kind::kEvery)
    return fmt::format("retrain: {{when: [{{age: {}}}]}}", format_duration(policy.every));
  if (policy.kind == Kind::kAdwin)
    return fmt::format("retrain: {{when: [{{quality: {{delta: {:g}}}}}]}}", policy.value);
  return "";
}

}  // namespace rekindle::backtest
