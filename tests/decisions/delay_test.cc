// How soon the policy notices an abrupt change, beside ADWIN on each answer of version 1.
//
// ADWIN's delta is the most eager one with which it raises no more false alarms than the policy in worlds
// that stand still. Both are told labels when they mature.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "drift/streams/adwin.h"
#include "tests/decisions/extent.h"
#include "tests/decisions/life.h"

namespace rekindle::decisions {
namespace {

constexpr double kDelayGoal = 1.5;
constexpr uint32_t kSeedsOfEach = 10;
constexpr double kDeltas[] = {0.3, 0.1, 0.03, 0.01, 0.002, 0.0005};  // the most eager first

// When errors had risen by what ADWIN says, from `from_us` on; its alarms before.
struct Alarms {
  size_t before = 0;
  std::optional<int64_t> first_us;
};

Alarms adwin(const Lived& lived, double delta, int64_t from_us) {
  drift::Adwin detector(delta);
  Alarms out;
  for (size_t row = 0; row < lived.times.size(); ++row) {
    if (!detector.update(lived.errors[row]) || detector.after() < detector.before()) continue;
    if (lived.times[row] < from_us)
      ++out.before;
    else if (!out.first_us)
      out.first_us = lived.times[row] + lived.matures_us;
  }
  return out;
}

Alarms policy(const Lived& lived, int64_t from_us) {
  Alarms out;
  for (const int64_t alarm_us : lived.alarms)
    if (alarm_us < from_us)
      ++out.before;
    else if (!out.first_us)
      out.first_us = alarm_us;
  return out;
}

double days(std::optional<int64_t> at_us, int64_t from_us, const Life& life) {
  if (!at_us) return 0.6 * life.days;  // never: all that was left
  return static_cast<double>(*at_us - from_us) / static_cast<double>(kDay);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TEST(Delay, OfAnAbruptChangeBesideAdwin) {
  if (!whole()) GTEST_SKIP() << "with REKINDLE_WHOLE alone: the nightly suite";
  start_logging("decisions_test", LogLevel::kError, false);
  const uint32_t lives = seeds(kSeedsOfEach);
  std::vector<Lived> still;
  for (const std::string& name : still_worlds())
    for (uint32_t seed = 1; seed <= lives; ++seed) {
      const Folder folder;
      Result<Lived> lived = live(folder.path(), Life{name, seed});
      ASSERT_TRUE(lived.ok()) << lived.status().message();
      still.push_back(*std::move(lived));
    }
  size_t ours = 0;
  for (const Lived& lived : still) ours += policy(lived, INT64_MAX).before;
  double delta = 0;
  for (const double eager : kDeltas) {
    size_t theirs = 0;
    for (const Lived& lived : still) theirs += adwin(lived, eager, INT64_MAX).before;
    fmt::print("ADWIN, delta {}: {} false alarms in {} years; the policy: {}\n", eager, theirs, still.size(),
               ours);
    if (theirs <= ours && delta == 0) delta = eager;
  }
  ASSERT_GT(delta, 0) << "ADWIN has no delta that is as quiet";
  fmt::print("| world | the policy, days | ADWIN ({}), days | ratio | goal |\n", delta);
  for (const std::string& name : changing_worlds()) {
    if (!name.ends_with("-abrupt")) continue;
    std::vector<double> a, b;
    for (uint32_t seed = 1; seed <= lives; ++seed) {
      const Folder folder;
      const Life life{name, seed};
      const Result<Lived> lived = live(folder.path(), life);
      ASSERT_TRUE(lived.ok()) << lived.status().message();
      const int64_t change = change_times(life).front();
      a.push_back(days(policy(*lived, change).first_us, change, life));
      b.push_back(days(adwin(*lived, delta, change).first_us, change, life));
    }
    fmt::print("| {} | {:.1f} | {:.1f} | {:.2f} | {} |\n", name, median(a), median(b), median(a) / median(b),
               median(a) <= kDelayGoal * median(b) ? "reached" : "missed");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace rekindle::decisions
