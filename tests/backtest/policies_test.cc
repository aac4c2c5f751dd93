// Policies by name, and how they walk through a history that is made up.
#include <gmock/gmock.h>

#include <cmath>

#include "backtest/policies/suggest.h"

namespace rekindle::backtest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kDay = 24 * kHour;

// A hundred days, ten rows an hour. A version answers rightly but for one row in ten, until its knowledge is
// older than the world: the world changes at day 50.
struct Made {
  Judged judged;
  std::vector<int64_t> as_of{0};
  std::vector<int64_t> asked;  // as-of times of rows whose loss was looked at, by fit
  History history{judged, 0, 100 * kDay, 20 * kDay, 0, kHour, 7 * kDay};
  int64_t change = 50 * kDay;

  Made() {
    for (int64_t row = 0; row < 100 * 24 * 10; ++row) {
      judged.times_us.push_back(row * kHour / 10);
      judged.labelled.push_back(row % 7 != 0);
    }
  }
  double error(size_t fit, size_t row) const {
    EXPECT_GE(judged.times_us[row], fit == 0 ? 0 : as_of[fit] + history.run_takes_us)
        << "a version is asked about rows that it answered";
    EXPECT_TRUE(judged.labelled[row]);
    const bool old = judged.times_us[row] >= change && as_of[fit] < change;
    return (row * 7919) % 10 < (old ? 5u : 1u) ? 1 : 0;
  }
  Maker maker() {
    return {[this](int64_t at) -> Result<size_t> {
              as_of.push_back(at);
              return as_of.size() - 1;
            },
            [this](size_t fit, size_t row) { return 0.2 + error(fit, row); },
            [this](size_t fit, size_t row) { return error(fit, row); }};
  }
  Course walk(const std::string& name) {
    const auto policy = parse_policy(name);
    EXPECT_TRUE(policy.ok()) << policy.status().message();
    const auto course = backtest::walk(*policy, history, maker());
    EXPECT_TRUE(course.ok());
    return *course;
  }
  std::vector<int64_t> days(const Course& course) const {
    std::vector<int64_t> out;
    for (const auto& fitted : course.fitted) out.push_back(fitted.as_of_us / kDay);
    return out;
  }
};

TEST(Policies, AreReadByName) {
  EXPECT_EQ(Kind::kOwn, parse_policy("rekindle")->kind);
  EXPECT_EQ(28 * kDay, parse_policy("every:28d")->every.count());
  EXPECT_EQ(12u, parse_policy("cron:12")->fits);
  EXPECT_DOUBLE_EQ(0.002, parse_policy("adwin")->value);
  EXPECT_DOUBLE_EQ(0.05, parse_policy("adwin:0.05")->value);
  EXPECT_DOUBLE_EQ(0.2, parse_policy("dynamic:20%")->value);
  EXPECT_DOUBLE_EQ(0.5, parse_policy("static:0.5")->value);
  for (const char* none : {"", "rekindl", "every", "every:", "every:4", "every:1m", "cron:0", "cron:x",
                           "ddm:3", "static", "static:-1", "adwin:1", "never:2"}) {
    const auto refused = parse_policy(none);
    ASSERT_FALSE(refused.ok()) << none;
    EXPECT_THAT(refused.status().message(), HasSubstr("hddm-a, static:LOSS"))
        << "the refusal lists the names";
  }
  EXPECT_EQ(4u, parse_policies({})->size());
  EXPECT_EQ(1u, parse_policies({"never", "never"})->size());
}

TEST(Slices, AShortRestBelongsToTheLast) {
  EXPECT_THAT(slice_ends(0, 100, 30), ElementsAre(30, 60, 100));
  EXPECT_THAT(slice_ends(0, 110, 30), ElementsAre(30, 60, 90, 110));
  EXPECT_THAT(slice_ends(0, 90, 30), ElementsAre(30, 60, 90));
  EXPECT_THAT(slice_ends(0, 10, 30), ElementsAre(10));
}

TEST(Walk, NeverAlwaysEveryAndCronGoByTheCalendar) {
  Made made;
  EXPECT_TRUE(made.walk("never").fitted.empty());
  EXPECT_THAT(made.days(made.walk("always")), ElementsAre(20, 40, 60, 80)) << "not at the very end";
  EXPECT_THAT(made.days(made.walk("every:30d")), ElementsAre(30, 60, 90));
  EXPECT_THAT(made.days(made.walk("cron:3")), ElementsAre(25, 50, 75));
  const Course course = made.walk("every:60d");
  EXPECT_EQ(60 * kDay + kHour, course.schedule.back().from_us) << "serves once its run is over";
}

TEST(Walk, DetectorsFitOnceAfterTheChange) {
  for (const char* name : {"adwin", "ddm", "hddm-a", "static:0.5", "dynamic:50%"}) {
    Made made;
    const auto days = made.days(made.walk(name));
    ASSERT_EQ(1u, days.size()) << name;
    EXPECT_GE(days[0], 50) << name;
    EXPECT_LE(days[0], 66) << name;
  }
}

// The errors that a version made before the next one took over become known only now: they are not the new
// one's, and no reason to fit again.
TEST(Walk, AfterAFitErrorsOfTheOldVersionSayNothing) {
  for (const char* name : {"adwin", "ddm", "hddm-a"}) {
    Made made;
    made.history.label_delay_us = 10 * kDay;
    const auto days = made.days(made.walk(name));
    ASSERT_EQ(1u, days.size()) << name;
    EXPECT_GE(days[0], 60) << "labels are known ten days later";
  }
}

TEST(Walk, RegretChargesEveryShadowAndTakesOverWithOne) {
  Made made;
  const Course course = made.walk("regret:0.1");
  EXPECT_THAT(made.days(course), ElementsAre(20, 40, 60, 80));
  ASSERT_EQ(2u, course.schedule.size());
  EXPECT_EQ(3u, course.schedule[1].fit) << "the shadow of day 60, the first that knows the new world";
  EXPECT_EQ(80 * kDay, course.schedule[1].from_us) << "once it has been seen to be better";
  EXPECT_THAT(course.fitted[2].detail, HasSubstr("more than its shadow"));
}

TEST(Walk, ANoisyPolicyIsCutOff) {
  Made made;
  const Course course = made.walk("every:1h");
  EXPECT_TRUE(course.cut_off);
  EXPECT_EQ(kFitsMost, course.fitted.size());
}

// Before the change nothing is worth a fit; of what fits in the budget the plainest is taken.
TEST(Suggest, IsTunedOnTheFirstThirdAlone) {
  Made made;
  const auto quiet = suggest(made.history, made.maker(), 9);
  ASSERT_TRUE(quiet.ok());
  EXPECT_EQ("never", quiet->policy.name);
  EXPECT_EQ(33 * kDay, quiet->tuned_until_us);
  for (const int64_t at : made.as_of) EXPECT_LT(at, 33 * kDay) << "nothing later was looked at";

  Made early;
  early.change = 10 * kDay;
  const auto moved = suggest(early.history, early.maker(), 9);
  ASSERT_TRUE(moved.ok());
  EXPECT_NE("never", moved->policy.name);
  EXPECT_LT(moved->tuned_loss, 0.6);
}

TEST(Suggest, KeepsToTheBudget) {
  Made made;
  made.change = 10 * kDay;
  const auto one = suggest(made.history, made.maker(), 1);
  ASSERT_TRUE(one.ok());
  History third = made.history;
  third.until_us = one->tuned_until_us;
  EXPECT_LE(walk(one->policy, third, made.maker())->fitted.size(), 1u);
  for (const uint64_t budget : {1, 2, 3, 4, 8, 12}) {
    Made again;
    again.change = 10 * kDay;
    const auto found = suggest(again.history, again.maker(), budget);
    ASSERT_TRUE(found.ok());
    if (found->policy.kind == Kind::kEvery)
      EXPECT_LE(walk(found->policy, again.history, again.maker())->fitted.size(), budget)
          << found->policy.name;
  }
}

TEST(Suggest, SaysHowASpecWouldSayIt) {
  EXPECT_EQ("retrain: {when: [{age: 56d}]}", spec_words(*parse_policy("every:56d")));
  EXPECT_EQ("retrain: {when: [{quality: {delta: 0.002}}]}", spec_words(*parse_policy("adwin")));
  EXPECT_EQ("", spec_words(*parse_policy("ddm")));
}

TEST(Delay, IsFromTheBestScheduleToTheNextTakeOver) {
  Made made;
  const Schedule course{{0, 0}, {1, 30 * kDay}, {2, 70 * kDay}};
  EXPECT_DOUBLE_EQ(19, delay_days({51 * kDay}, course, made.history));
  EXPECT_DOUBLE_EQ(0, delay_days({40 * kDay}, course, made.history)) << "taken over within the slice before";
  EXPECT_DOUBLE_EQ(5, delay_days({95 * kDay}, course, made.history)) << "never: until the end";
  EXPECT_DOUBLE_EQ(30, delay_after({40 * kDay}, course, made.history))
      << "nothing before a change answers it";
  EXPECT_TRUE(std::isnan(delay_days({}, course, made.history)));
}

}  // namespace
}  // namespace rekindle::backtest
