// What is taken for a change of the world, how long a run waits for rows of it, and which versions it
// outgrows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/drift/slots.h"

namespace rekindle::drift {
namespace {

using ::testing::HasSubstr;

TEST(Changed, IsWhereTheFirstWindowOfTheAlarmBegan) {
  Stream s = bare();
  s.retrain.add_when()->mutable_drift()->set_psi(0.25);
  EXPECT_FALSE(s.until_trigger(kStart + 20 * kDay));
  EXPECT_EQ(s.state.changed_us(), 0);
  s.drifts = true;
  ASSERT_TRUE(s.until_trigger(kStart + 40 * kDay));
  EXPECT_LE(s.state.changed_us(), kStart + 20 * kDay);
  EXPECT_GE(s.state.changed_us(), kStart + 13 * kDay);
  const int64_t first = s.state.changed_us();
  s.publish();
  s.drifts = false;
  s.until_trigger(s.slot + 30 * kDay);
  EXPECT_EQ(s.state.changed_us(), first) << "what is known of the world outlives a version";
}

TEST(Changed, IsWhatErrorsSayWhereTheyAreWatched) {
  Stream s;  // drift and quality
  s.drifts = true;
  ASSERT_EQ(s.until_trigger(kStart + 40 * kDay), v1::CAUSE_DRIFT);
  EXPECT_EQ(s.state.changed_us(), 0) << "rows that are distributed otherwise mean what they meant";
  s.worse = true;
  s.risen_since = kStart + 30 * kDay;
  s.hour();
  EXPECT_EQ(s.state.changed_us(), kStart + 30 * kDay);
}

// Labels are known after a day, and a week is held back.
struct Held : Stream {
  Held() : Stream(bare()) {
    retrain.add_when()->mutable_quality();
    context.holdout_us = 7 * kDay;
  }
  std::optional<v1::Cause> next() {
    context.learns_until_us = slot - 8 * kDay;
    return hour();
  }
  std::optional<v1::Cause> until(int64_t limit) {
    while (slot < limit)
      if (auto cause = next()) return cause;
    return std::nullopt;
  }
};

TEST(Learned, ARunWaitsUntilItLearnsFromAsMuchOfTheChangedWorldAsJudgesIt) {
  Held s;
  s.worse = true;
  s.risen_since = kStart;
  EXPECT_FALSE(s.until(kStart + 6 * kDay));
  EXPECT_THAT(s.reason,
              HasSubstr("but too few rows are known since the world changed at 2013-02-01T00:00:00Z: a "
                        "run would learn from 7d of them in 9d 1h"));
  s.risen_since = kStart + 5 * kDay;
  EXPECT_FALSE(s.until(kStart + 15 * kDay));
  EXPECT_EQ(s.next(), v1::CAUSE_QUALITY) << "what goes on changing does not make it wait anew: " << s.reason;
  EXPECT_EQ(s.state.changed_us(), kStart);
  s.risen_since = kStart + 16 * kDay;
  s.next();
  EXPECT_EQ(s.state.changed_us(), kStart + 16 * kDay) << "another change";
}

TEST(Learned, ACalendarWaitsForNoRows) {
  Held s;
  s.worse = true;
  s.risen_since = kStart;
  s.retrain.add_when()->mutable_schedule()->mutable_every()->set_seconds(2 * 86400);
  EXPECT_FALSE(s.until(kStart + 2 * kDay));
  EXPECT_EQ(s.next(), v1::CAUSE_QUALITY) << "both call for it, and errors name the cause: " << s.reason;
}

TEST(Learned, AVersionOfTheFirstDaysOfAChangedWorldIsOutgrown) {
  Held s;
  s.state.set_changed_us(kStart);
  s.context.champion_as_of_us = kStart + 15 * kDay;
  s.context.learned_until_us = kStart + 7 * kDay;
  EXPECT_FALSE(s.until(kStart + 29 * kDay)) << s.reason;
  EXPECT_EQ(s.next(), v1::CAUSE_QUALITY);
  EXPECT_THAT(s.reason,
              HasSubstr("version 1 has learned from 7d of the world since 2013-02-01T00:00:00Z, a run "
                        "would learn from 21d"));
  s.context.learned_until_us = kStart + 21 * kDay;
  EXPECT_FALSE(s.until(kStart + 71 * kDay)) << "three times as many again: " << s.reason;
  EXPECT_TRUE(s.next());
}

TEST(Learned, AVersionFromBeforeTheChangeIsJudgedByItsErrors) {
  Held s;
  s.state.set_changed_us(kStart);
  s.state.set_changed_version(1);
  s.context.learned_until_us = kStart - 9 * kDay;
  EXPECT_FALSE(s.until(kStart + 100 * kDay)) << "a change that passed by itself is no reason: " << s.reason;
}

TEST(Learned, WhereNothingChangesAVersionOfFewRowsIsOutgrown) {
  Held s;
  s.context.champion = s.context.versions = 2;
  s.context.learned_from_us = s.context.learns_from_us = kStart - 30 * kDay;
  s.context.learned_until_us = kStart;
  EXPECT_FALSE(s.until(kStart + 38 * kDay)) << s.reason;
  EXPECT_EQ(s.next(), v1::CAUSE_QUALITY) << "60 days instead of 30";
  EXPECT_THAT(s.reason,
              HasSubstr("version 2 has learned from 30d of rows, a run would learn from 60d of a world that "
                        "has not changed since"));
}

TEST(Learned, RowsSinceAChangeAreAskedForThreeTimes) {
  Held s;
  s.context.champion = s.context.versions = 2;
  s.state.set_changed_us(kStart);
  s.state.set_changed_version(1);
  s.context.learned_from_us = s.context.learns_from_us = kStart;
  s.context.learned_until_us = kStart + 7 * kDay;
  EXPECT_FALSE(s.until(kStart + 29 * kDay)) << "twice as many are no reason yet: " << s.reason;
  EXPECT_TRUE(s.next());
}

TEST(Learned, TheFirstVersionIsOutgrownSooner) {
  Held s;
  s.context.learned_from_us = s.context.learns_from_us = kStart - 30 * kDay;
  s.context.learned_until_us = kStart;
  EXPECT_FALSE(s.until(kStart + 23 * kDay)) << s.reason;
  EXPECT_EQ(s.next(), v1::CAUSE_QUALITY) << "45 days instead of 30";
  EXPECT_THAT(s.reason, HasSubstr("version 1 has learned from 30d of rows, a run would learn from 45d"));
}

TEST(Learned, ACandidateThatWasNoBetterAsksForThreeTimesMoreRows) {
  Held s;
  s.context.learned_from_us = s.context.learns_from_us = kStart - 10 * kDay;
  s.context.learned_until_us = kStart;
  s.state.set_rejections(1);
  Held second = s;
  second.context.versions = 2;  // made, and rolled back
  EXPECT_FALSE(s.until(kStart + 43 * kDay)) << s.reason;
  EXPECT_TRUE(s.next()) << "45 days instead of 10";
  EXPECT_FALSE(second.until(kStart + 58 * kDay)) << second.reason;
  EXPECT_TRUE(second.next()) << "60 days instead of 10";
}

TEST(Learned, AWishForMoreRowsIsNoAlarmThatGoesOn) {
  Held s;
  s.retrain.clear_when();
  s.retrain.add_when()->mutable_regret();
  s.regret = 0.005;
  s.context.learned_from_us = s.context.learns_from_us = kStart - 30 * kDay;
  s.context.learned_until_us = kStart;
  s.slot = kStart + 69 * kDay;
  ASSERT_EQ(s.next(), v1::CAUSE_REGRET) << s.reason;
  s.state.set_rejections(1);
  v1::JudgedWindow window = s.window();
  // Over the threshold, and no alarm: the version is no worse.
  window.mutable_regret()->set_value(0.02);
  window.mutable_regret()->set_fired(false);
  const PolicyStep next = step(s.retrain, s.state, window, s.context);
  EXPECT_FALSE(next.cause) << next.reason;
}

// A world that changes in steps: what the last run of a budget is worth is not known before the next step.
TEST(Learned, TheLastRunOfABudgetIsNotForMoreRows) {
  Held s;
  s.retrain.mutable_at_most()->set_runs(9);
  s.retrain.mutable_at_most()->set_burst(2);
  s.slot = kStart + 29 * kDay;
  s.state.set_tokens(1.5);
  s.state.set_tokens_us(s.slot);
  s.state.set_changed_us(kStart);
  s.context.champion_as_of_us = kStart + 15 * kDay;
  s.context.learned_until_us = kStart + 1 * kDay;
  EXPECT_FALSE(s.next());
  EXPECT_THAT(s.reason,
              HasSubstr("a run would learn from 21d, but the budget of 9 runs per 365d has one left, "
                        "which is kept for when something has become worse: the next accrues in"));
  Held more = s;
  EXPECT_TRUE(more.until(s.slot + 60 * kDay)) << "the next accrues: " << more.reason;
  Held unlearned = s;
  unlearned.context.learned_until_us = kStart - 5 * kDay;
  EXPECT_TRUE(unlearned.next()) << "a version that knows nothing of the changed world is no matter of rows";
  Held single = s;
  single.retrain.mutable_at_most()->set_burst(1);
  EXPECT_TRUE(single.next()) << "where none is saved up each is as good as the next: " << single.reason;
  s.worse = true;
  s.risen_since = kStart + 10 * kDay;
  EXPECT_TRUE(s.next()) << s.reason;
}

TEST(Learned, AWindowThatSlidesIsNeverOutgrownAndAChangedWorldIsAnotherQuestion) {
  Held s;
  s.context.learned_from_us = kStart - 30 * kDay;
  s.context.learned_until_us = kStart;
  for (int day = 1; day < 400; ++day) {
    s.context.learns_from_us = s.slot - 38 * kDay;
    ASSERT_FALSE(s.until(s.slot + kDay)) << s.reason;
  }
  Held changed;
  changed.context.learned_from_us = changed.context.learns_from_us = kStart - 30 * kDay;
  changed.context.learned_until_us = kStart;
  changed.state.set_changed_us(kStart + kDay);
  changed.state.set_changed_version(1);
  EXPECT_FALSE(changed.until(kStart + 300 * kDay)) << changed.reason;
}

TEST(Learned, WhereRowsMovedARunLearnsFromEnoughOfThemAndFromMoreLater) {
  Held s;
  s.retrain.add_when()->mutable_drift()->set_psi(0.25);
  s.drifts = true;
  EXPECT_FALSE(s.until(kStart + 15 * kDay)) << s.reason;
  EXPECT_EQ(s.state.changed_us(), 0) << "they may mean what they meant";
  EXPECT_EQ(s.next(), v1::CAUSE_DRIFT) << s.reason;
  s.publish();
  s.drifts = false;
  s.context.champion = 2;
  s.context.learned_until_us = kStart + 7 * kDay;
  EXPECT_FALSE(s.until(kStart + 29 * kDay)) << s.reason;
  EXPECT_EQ(s.next(), v1::CAUSE_DRIFT);
  EXPECT_THAT(s.reason, HasSubstr("version 2 has learned from 7d of the world since"));
}

TEST(Learned, AVersionThatWasUnderWayWhenTheWorldChangedIsNoAnswer) {
  Held s;
  s.worse = true;
  s.risen_since = kStart;
  EXPECT_FALSE(s.hour());
  EXPECT_EQ(s.state.changed_version(), 1u);
  // It takes the evidence with it.
  s.worse = false;
  s.context.champion = 2;
  s.context.learned_until_us = kStart - 9 * kDay;
  EXPECT_FALSE(s.until(kStart + 15 * kDay)) << s.reason;
  EXPECT_EQ(s.next(), v1::CAUSE_QUALITY);
  EXPECT_THAT(s.reason, HasSubstr("version 2 has learned from nothing of the world since"));
}

}  // namespace
}  // namespace rekindle::drift
