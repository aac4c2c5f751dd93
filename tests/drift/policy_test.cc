#include "drift/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/drift/slots.h"

namespace rekindle::drift {
namespace {

using ::testing::HasSubstr;

TEST(Policy, SeasonalDriftIsPacedByTheBucketOverTheYear) {
  Stream s;
  s.drifts = true;
  while (s.slot < kStart + 334 * kDay)
    if (s.hour()) s.publish();
  ASSERT_LE(s.triggers.size(), 8u);
  ASSERT_GE(s.triggers.size(), 7u);
  // The first needs a whole window and two windows half a length apart.
  EXPECT_GE(s.triggers[0], kStart + 10 * kDay);
  EXPECT_LE(s.triggers[0], kStart + 11 * kDay);
  for (size_t i = 2; i < s.triggers.size(); ++i)
    EXPECT_GE(s.triggers[i] - s.triggers[i - 1], 35 * kDay) << "trigger " << i;
  EXPECT_GE(s.triggers.back(), kStart + 270 * kDay) << "the budget lasts into the autumn";
}

TEST(Policy, NoPeriodHoldsMoreThanItsRuns) {
  Stream s;
  s.retrain.mutable_cooldown()->set_seconds(0);
  s.retrain.mutable_persistence()->set_hits(1);
  s.retrain.mutable_at_most()->set_runs(5);
  s.retrain.mutable_at_most()->mutable_per()->set_seconds(60 * 86400);
  s.retrain.mutable_at_most()->set_burst(3);
  s.drifts = true;
  while (s.slot < kStart + 400 * kDay) s.hour();
  for (size_t i = 5; i < s.triggers.size(); ++i) EXPECT_GE(s.triggers[i] - s.triggers[i - 5], 60 * kDay);
  EXPECT_GE(s.triggers.size(), 20u);
}

TEST(Policy, NothingMovesNothingTriggers) {
  Stream s;
  while (s.slot < kStart + 100 * kDay) EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("no score is over its threshold"));
  EXPECT_THAT(s.reason, HasSubstr("errors have not grown"));
}

TEST(Policy, OneLoudWindowIsNotPersistent) {
  Stream s;
  EXPECT_FALSE(s.until_trigger(kStart + 8 * kDay));
  s.drifts = true;  // for three days: windows that share most of their rows count once
  EXPECT_FALSE(s.until_trigger(kStart + 11 * kDay));
  EXPECT_THAT(s.reason, HasSubstr("but only in"));
  s.drifts = false;
  EXPECT_FALSE(s.until_trigger(kStart + 30 * kDay));
}

TEST(Policy, AYoungVersionIsNotJudgedForDrift) {
  Stream s;
  s.drifts = true;
  EXPECT_FALSE(s.until_trigger(kStart + 6 * kDay));
  EXPECT_THAT(s.reason, HasSubstr("of the window of 7d"));
  EXPECT_EQ(s.state.drift_hits_size(), 0);
}

TEST(Policy, TooFewRowsAreNotJudged) {
  Stream s;
  s.drifts = true;
  s.rows = 999;
  EXPECT_FALSE(s.until_trigger(kStart + 30 * kDay));
  EXPECT_THAT(s.reason, HasSubstr("999 rows in the window, 1000 are needed"));
}

TEST(Policy, QualityOfTheChampionAloneCounts) {
  Stream s;
  s.worse = true;
  EXPECT_EQ(s.hour(), v1::CAUSE_QUALITY);
  Stream other;
  other.worse = true;
  other.context.champion = 2;  // the errors are version 1's
  EXPECT_FALSE(other.until_trigger(kStart + 20 * kDay));
}

TEST(Policy, CooldownDoublesWithEachRejectionAndEndsWithAPublication) {
  Stream s;
  s.worse = true;
  s.retrain.mutable_at_most()->set_burst(8);
  ASSERT_TRUE(s.hour());
  v1::Run run;
  run.set_id("m-1");
  run.set_publish(true);
  run.set_state(v1::REJECTED);
  s.state = after_run(s.retrain, s.state, run, s.slot, 0);
  EXPECT_EQ(s.until_trigger(s.triggers[0] + 14 * kDay), std::nullopt);
  EXPECT_THAT(s.reason,
              HasSubstr("cooling down until 2013-02-15T02:00:00Z (doubled for 1 rejected candidate)"));
  ASSERT_TRUE(s.hour());
  s.state = after_run(s.retrain, s.state, run, s.slot, 0);
  EXPECT_EQ(cooldown_us(s.retrain, s.state), 28 * kDay);
  run.set_state(v1::PUBLISHED);
  s.state = after_run(s.retrain, s.state, run, s.slot, 0);
  EXPECT_EQ(cooldown_us(s.retrain, s.state), 7 * kDay);
  EXPECT_EQ(s.state.last_trigger_us(), s.slot);
  s.state.set_rejections(60);
  EXPECT_EQ(cooldown_us(s.retrain, s.state), 7 * 32 * kDay) << "not for ever";
}

TEST(Policy, EachRefusalSaysWhy) {
  const auto refused = [](auto&& change) {
    Stream s;
    s.worse = true;
    change(s);
    EXPECT_FALSE(s.hour());
    return s.reason;
  };
  EXPECT_THAT(refused([](Stream& s) {
                s.context.frozen = true;
                s.context.frozen_reason = "holiday";
              }),
              HasSubstr("frozen: holiday"));
  EXPECT_THAT(refused([](Stream& s) { s.state.set_active_run("m-7"); }), HasSubstr("run m-7 is under way"));
  EXPECT_THAT(refused([](Stream& s) { s.context.rollout_active = true; }), HasSubstr("rolled out"));
  EXPECT_THAT(refused([](Stream& s) {
                s.state.set_tokens(0.5);
                s.state.set_tokens_us(kStart + kHour);
              }),
              HasSubstr("the next accrues in"));
  EXPECT_THAT(refused([](Stream& s) { s.context.champion = 0; }), HasSubstr("no version is in service"));
  EXPECT_THAT(refused([](Stream& s) { s.retrain.clear_when(); }), HasSubstr("names no trigger"));
}

TEST(Policy, AgeTriggers) {
  Stream s;
  s.retrain.clear_when();
  s.retrain.add_when()->mutable_age()->set_seconds(90 * 86400);
  s.context.champion_as_of_us = kStart;
  EXPECT_EQ(s.until_trigger(kStart + 120 * kDay), v1::CAUSE_AGE);
  EXPECT_EQ(s.triggers[0] + 2 * kHour, kStart + 90 * kDay);
}

TEST(Policy, TheSameSlotTwiceChangesNothing) {
  Stream s;
  s.worse = true;
  const v1::JudgedWindow w = s.window();
  ASSERT_TRUE(s.hour());
  const PolicyStep again = step(s.retrain, s.state, w, s.context);
  EXPECT_FALSE(again.cause);
  EXPECT_EQ(again.state.SerializeAsString(), s.state.SerializeAsString());
}

TEST(Policy, AReplayOfThePastStartsWithAMemoryOfItsOwn) {
  Stream s;
  s.worse = true;
  s.slot = kStart + 5000 * kDay;  // the wall clock
  ASSERT_TRUE(s.hour());
  s.slot = kStart;
  EXPECT_TRUE(s.hour()) << s.reason;
  EXPECT_DOUBLE_EQ(s.state.tokens(), 1);
  // A version published before the replay began has no cooldown in it.
  Stream fresh;
  fresh.worse = true;
  fresh.state.set_last_trigger_us(kStart + 5000 * kDay);
  EXPECT_TRUE(fresh.hour()) << fresh.reason;
}

TEST(Policy, OtherRunsLeaveTheSingleFlightAlone) {
  v1::DecisionState state;
  state.set_active_run("m-2");
  v1::Run run;
  run.set_id("m-1");
  run.set_state(v1::COMPLETED);
  EXPECT_EQ(after_run(spec(), state, run, 5, 0).active_run(), "m-2");
  EXPECT_EQ(after_run(spec(), state, run, 5, 0).last_trigger_us(), 0);
  run.set_id("m-2");
  EXPECT_EQ(after_run(spec(), state, run, 5, 0).active_run(), "");
}

}  // namespace
}  // namespace rekindle::drift
