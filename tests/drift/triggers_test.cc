// Triggers beside drift, quality and age, how they combine, and the brakes that they meet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/text/cron.h"
#include "tests/drift/slots.h"

namespace rekindle::drift {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::DecisionState ended(const Stream& s, const std::string& id, v1::RunState state, double rank_seconds = 0,
                        v1::Cause cause = v1::CAUSE_DRIFT) {
  v1::Run run;
  run.set_id(id);
  run.set_publish(true);
  run.set_cause(cause);
  run.set_state(state);
  return after_run(s.retrain, s.state, run, s.slot + kHour, rank_seconds);
}

TEST(Triggers, ScheduleByLengthCountsFromTheLastRun) {
  Stream s = bare();
  s.retrain.add_when()->mutable_schedule()->mutable_every()->set_seconds(28 * 86400);
  EXPECT_EQ(s.until_trigger(kStart + 40 * kDay), v1::CAUSE_SCHEDULE);
  EXPECT_EQ(s.triggers[0], kStart + 28 * kDay);
  EXPECT_THAT(s.reason, HasSubstr("28d have passed since 2013-02-01T02:00:00Z"));
  EXPECT_TRUE(s.until_trigger(kStart + 80 * kDay));
  EXPECT_EQ(s.triggers[1] - s.triggers[0], 28 * kDay);
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("the schedule's next time is"));
}

TEST(Triggers, ScheduleByCronIsDueOnce) {
  Stream s = bare();
  s.retrain.add_when()->mutable_schedule()->set_cron("30 3 * * 1");
  while (s.slot < kStart + 29 * kDay) s.hour();
  // Mondays of February 2013; known at the first judgement after 03:30, two hours after its slot began.
  std::vector<std::string> times;
  for (const int64_t slot : s.triggers) times.push_back(format_time(time_from_micros(slot + 2 * kHour)));
  EXPECT_THAT(times, ElementsAre("2013-02-04T04:00:00Z", "2013-02-11T04:00:00Z", "2013-02-18T04:00:00Z",
                                 "2013-02-25T04:00:00Z"));
  EXPECT_THAT(s.reason, HasSubstr("no time of \"30 3 * * 1\" has come since"));
}

TEST(Triggers, ATimeThatCameWhileItWasCoolingDownIsStillDue) {
  Stream s = bare();
  s.retrain.add_when()->mutable_schedule()->set_cron("0 0 * * *");
  s.retrain.mutable_cooldown()->set_seconds(10 * 86400);
  s.state.set_last_trigger_us(kStart + kHour);
  EXPECT_TRUE(s.until_trigger(kStart + 30 * kDay));
  EXPECT_EQ(s.triggers[0] + kHour, kStart + 10 * kDay);
}

TEST(Triggers, EnoughNewLabels) {
  Stream s = bare();
  s.retrain.add_when()->set_labels(50000);
  s.context.new_labels = 49999;
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(
      s.reason,
      HasSubstr("49999 labelled rows have settled since those that version 1 knows, 50000 are needed"));
  s.context.new_labels = 50000;
  EXPECT_EQ(s.hour(), v1::CAUSE_LABELS);
  ASSERT_EQ(s.state.words_size(), 1);
  EXPECT_EQ(s.state.words(0).value(), 50000);
  EXPECT_EQ(s.state.words(0).threshold(), 50000);
}

TEST(Triggers, AnExpectedLossMustPersist) {
  Stream s = bare();
  s.retrain.add_when()->mutable_estimate();
  s.expected = 0.03;
  EXPECT_FALSE(s.until_trigger(kStart + 6 * kDay)) << "the window is not whole";
  EXPECT_EQ(s.until_trigger(kStart + 12 * kDay), v1::CAUSE_ESTIMATE);
  EXPECT_GE(s.triggers[0], kStart + 10 * kDay) << "two windows half a length apart";
  EXPECT_THAT(s.reason, HasSubstr("over it in 2 of the last 2 windows"));
  s.expected.reset();
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("does not say what it lost on its holdout"));
}

TEST(Triggers, MoreWrongAnswersAreReasonEnough) {
  Stream s = bare();
  s.retrain.add_when()->mutable_quality();
  v1::JudgedWindow window = s.window();
  EXPECT_FALSE(step(s.retrain, s.state, window, s.context).cause);
  v1::Score& wrong = *window.add_quality();
  wrong.set_version(1);
  wrong.set_value(0.2);
  wrong.set_fired(true);
  wrong.set_reason("the share of wrong answers went up");
  const PolicyStep found = step(s.retrain, s.state, window, s.context);
  EXPECT_EQ(found.cause, v1::CAUSE_QUALITY);
  EXPECT_THAT(found.reason, HasSubstr("the share of wrong answers went up"));
  EXPECT_EQ(found.gain, 0.2);
  wrong.set_version(7);
  EXPECT_FALSE(step(s.retrain, s.state, window, s.context).cause) << "of another version";
}

// What is left of the sum then is what its shadow has learned.
TEST(Triggers, AnAlarmOfRegretEndsWhenTheVersionIsNoWorseByItself) {
  Stream s = bare();
  s.retrain.add_when()->mutable_regret();
  s.regret = 0.02;
  s.lost_since = kStart;
  ASSERT_EQ(s.hour(), v1::CAUSE_REGRET);
  v1::JudgedWindow window = s.window();
  window.mutable_regret()->set_fired(false);
  EXPECT_EQ(step(s.retrain, s.state, window, s.context).cause, v1::CAUSE_REGRET) << "still over, and worse";
  window.mutable_regret()->set_since_us(0);
  EXPECT_FALSE(step(s.retrain, s.state, window, s.context).cause);
}

TEST(Triggers, RegretIsOfTheChampionAlone) {
  Stream s = bare();
  s.retrain.add_when()->mutable_regret();
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("has seen none of its labels yet"));
  s.regret = 0.005;
  EXPECT_FALSE(s.hour());
  s.regret = 0.02;
  EXPECT_EQ(s.hour(), v1::CAUSE_REGRET);
  v1::JudgedWindow other = s.window();
  other.mutable_regret()->set_version(7);
  EXPECT_FALSE(step(s.retrain, s.state, other, s.context).cause);
}

TEST(Triggers, EachSaysItsValueAndItsThreshold) {
  Stream s;
  *s.retrain.add_when()->mutable_age() = s.retrain.cooldown();
  s.retrain.add_when()->set_labels(10);
  s.retrain.add_when()->mutable_schedule()->set_cron("0 0 1 1 *");
  s.retrain.add_when()->mutable_estimate();
  s.retrain.add_when()->mutable_regret();
  s.context.champion_as_of_us = kStart - kDay;
  s.expected = 0.001;
  s.regret = 0.002;
  EXPECT_FALSE(s.until_trigger(kStart + 5 * kDay)) << s.reason;
  s.slot = kStart + 40 * kDay;
  s.context.champion_as_of_us = s.slot;
  s.hour();
  ASSERT_EQ(s.state.words_size(), 7);
  std::vector<std::string> names;
  for (const auto& word : s.state.words()) {
    names.push_back(word.trigger());
    EXPECT_FALSE(word.fired()) << word.trigger();
    EXPECT_THAT(s.reason, HasSubstr(word.reason())) << "every trigger says why not";
  }
  EXPECT_THAT(names, ElementsAre("drift", "quality", "age", "labels", "schedule", "estimate", "regret"));
  EXPECT_DOUBLE_EQ(s.state.words(0).value(), 0.1);
  EXPECT_DOUBLE_EQ(s.state.words(0).threshold(), 0.25);
  EXPECT_DOUBLE_EQ(s.state.words(2).threshold(), 7) << "days";
  EXPECT_DOUBLE_EQ(s.state.words(6).value(), 0.002);
}

TEST(Need, AllWaitsForTheLast) {
  Stream s = bare();
  s.retrain.add_when()->mutable_quality();
  s.retrain.add_when()->set_labels(100);
  s.retrain.mutable_need()->mutable_all();
  s.worse = true;
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("1 of 2 triggers call for a run, all are needed"));
  s.context.new_labels = 100;
  EXPECT_EQ(s.hour(), v1::CAUSE_QUALITY) << "the strongest names the cause";
  EXPECT_THAT(s.reason, HasSubstr("log-loss went up; 100 labelled rows"));
}

TEST(Need, WeightsAddUp) {
  Stream s = bare();
  v1::Trigger* quality = s.retrain.add_when();
  quality->mutable_quality();
  quality->set_weight(0.7);
  v1::Trigger* labels = s.retrain.add_when();
  labels->set_labels(100);
  labels->set_weight(0.2);
  v1::Trigger* regret = s.retrain.add_when();
  regret->mutable_regret();
  regret->set_weight(0.1);
  s.retrain.mutable_need()->set_weight(0.3);
  s.context.new_labels = 100;
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("what calls for a run weighs 0.2, 0.3 is needed"));
  s.regret = 1;
  EXPECT_EQ(s.hour(), v1::CAUSE_REGRET) << "0.2 and 0.1 are 0.3: " << s.reason;
  s.regret.reset();
  s.context.new_labels = 0;
  s.worse = true;
  EXPECT_EQ(s.hour(), v1::CAUSE_QUALITY);
}

TEST(Hysteresis, AScoreThatHoversIsOneAlarm) {
  const auto hits = [](double clear) {
    Stream s;
    s.retrain.set_clear(clear);
    s.retrain.mutable_persistence()->set_hits(3);
    s.psi = 0.26;
    while (s.slot < kStart + 8 * kDay) s.hour();
    s.psi = 0.22;  // below 0.25, above 0.2
    return s.until_trigger(kStart + 20 * kDay).has_value();
  };
  EXPECT_FALSE(hits(1)) << "as it was";
  EXPECT_TRUE(hits(0.8));
  EXPECT_FALSE(hits(0.9)) << "0.22 is below 0.225: cleared";

  Stream s = bare();
  s.retrain.add_when()->mutable_regret();
  s.retrain.set_clear(0.5);
  s.retrain.mutable_at_most()->set_runs(1);
  s.retrain.mutable_at_most()->set_burst(1);
  s.lost_since = kStart;
  s.regret = 0.008;
  EXPECT_FALSE(s.hour());
  EXPECT_FALSE(s.state.words(0).fired()) << "an alarm begins above the threshold only";
  s.regret = 0.011;
  EXPECT_TRUE(s.hour());
  s.regret = 0.008;
  s.hour();
  EXPECT_TRUE(s.state.words(0).fired());
  s.regret = 0.004;
  s.hour();
  EXPECT_FALSE(s.state.words(0).fired());
}

TEST(Quiet, WhatWasDueStartsAfterIt) {
  Stream s = bare();
  s.retrain.add_when()->mutable_regret();
  s.retrain.add_quiet("* 8-17 * * 1-5");
  s.slot = to_micros(*parse_time("2013-02-04T07:00"));  // judged at 09:00 on a Monday
  s.regret = 0.02;
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("but it is quiet until 2013-02-04T18:00:00Z"));
  s.regret = 0;  // it has passed, and is due all the same
  EXPECT_EQ(s.until_trigger(s.slot + 2 * kDay), v1::CAUSE_REGRET);
  EXPECT_EQ(format_time(time_from_micros(s.triggers[0] + 2 * kHour)), "2013-02-04T18:00:00Z");
  EXPECT_THAT(s.reason, HasSubstr("due since 2013-02-04T09:00:00Z"));
  EXPECT_FALSE(s.until_trigger(s.slot + 5 * kDay)) << "once";
}

TEST(Quiet, WhatWasDueIsForgottenWithTheVersion) {
  Stream s = bare();
  s.retrain.add_when()->mutable_regret();
  s.retrain.add_quiet("* 0-11 * * *");
  s.regret = 0.02;
  EXPECT_FALSE(s.hour());
  s.regret.reset();
  s.publish();
  EXPECT_FALSE(s.until_trigger(s.slot + 3 * kDay)) << s.reason;
}

TEST(Merged, AlarmsOfARunUnderWayAreOneAndAreTold) {
  Stream s = bare();
  s.retrain.add_when()->mutable_quality();
  s.worse = true;
  ASSERT_TRUE(s.hour());
  s.state.set_active_run("m-1");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(s.hour());
  EXPECT_THAT(s.reason, HasSubstr("run m-1 is under way"));
  EXPECT_EQ(s.state.merged(), 5u);
  s.state = ended(s, "m-1", v1::REJECTED);
  ASSERT_TRUE(s.hour());
  EXPECT_THAT(
      s.reason,
      HasSubstr("5 windows since 2013-02-01T03:00:00Z called for it while another run was under way"));
  EXPECT_EQ(s.state.merged(), 0u);
  // A version that has come in answers them.
  s.state.set_active_run("m-2");
  s.hour();
  s.state = ended(s, "m-2", v1::PUBLISHED);
  ++s.context.champion;
  s.hour();
  EXPECT_EQ(s.state.merged(), 0u);
}

TEST(RankTime, IsPaidFromABudgetOfItsOwn) {
  Stream s = bare();
  s.retrain.add_when()->mutable_quality();
  s.retrain.mutable_at_most()->mutable_rank_time()->set_seconds(20 * 3600);
  s.retrain.mutable_at_most()->mutable_per()->set_seconds(10 * 86400);
  s.worse = true;
  ASSERT_TRUE(s.hour());
  s.state.set_active_run("m-1");
  s.state = ended(s, "m-1", v1::FAILED_RUN, 8 * 3600);
  EXPECT_FALSE(s.hour());
  EXPECT_THAT(
      s.reason,
      HasSubstr("of the budget of 20h of rank time per 10d 2.0h are left, and the newest run took 8.0h"));
  // A rank hour comes back every day.
  EXPECT_TRUE(s.until_trigger(kStart + 20 * kDay));
  EXPECT_NEAR(static_cast<double>(s.triggers[1] - s.triggers[0]) / kDay, 5.9, 0.1);
  s.state.set_active_run("m-2");
  const double left = s.state.rank_seconds();
  EXPECT_EQ(ended(s, "m-2", v1::PUBLISHED, 3600, v1::CAUSE_MANUAL).rank_seconds(), left)
      << "asked for by a person";
  EXPECT_EQ(ended(s, "m-1", v1::PUBLISHED, 3600).rank_seconds(), left) << "paid when it came to rest";
}

// --- What must hold whatever happens

struct Done {
  std::string journal;  // every state, one behind the other
  std::vector<int64_t> starts;
  std::vector<std::pair<int64_t, double>> paid;  // clock, rank-seconds
};

// A year of random alarms, runs and endings; the memory goes through its bytes after every step.
Done random_year(uint64_t seed, const v1::Retrain& retrain) {
  std::mt19937_64 random(seed);
  const auto chance = [&random](double p) { return std::uniform_real_distribution<>(0, 1)(random) < p; };
  Stream s;
  s.retrain = retrain;
  Done out;
  std::string active;
  int64_t ends = 0;
  int runs = 0;
  for (; s.slot < kStart + 365 * kDay; s.slot += 2 * kHour) {  // hour() adds one
    if (chance(0.02)) s.drifts = !s.drifts;
    if (chance(0.02)) s.worse = !s.worse;
    if (chance(0.05)) s.regret = chance(0.5) ? 0.02 : 0.001;
    s.context.frozen = chance(0.02);
    s.context.new_labels = static_cast<uint64_t>(s.slot - kStart) / kDay;
    if (!active.empty() && s.slot >= ends) {
      const bool published = chance(0.5);
      s.state = ended(s, active, published ? v1::PUBLISHED : v1::REJECTED, 3600 * 6);
      out.paid.emplace_back(s.slot + kHour, 3600 * 6);
      active.clear();
      if (published) {
        ++s.context.champion;
        s.champion_from = s.slot;
      }
    }
    const int64_t clock = s.slot + 2 * kHour;
    if (s.hour()) {
      EXPECT_TRUE(active.empty()) << "two runs in flight at " << format_time(time_from_micros(clock));
      EXPECT_FALSE(s.context.frozen);
      active = fmt::format("m-{}", ++runs);
      s.state.set_active_run(active);
      ends = s.slot + static_cast<int64_t>(std::uniform_int_distribution<>(0, 72)(random)) * kHour;
      out.starts.push_back(clock);
    }
    const std::string bytes = s.state.SerializeAsString();
    EXPECT_TRUE(s.state.ParseFromString(bytes));
    out.journal += bytes;
  }
  return out;
}

TEST(Always, OneFlightNoPeriodOverItsBudgetsNothingInAQuietTime) {
  v1::Retrain retrain = spec();
  retrain.add_when()->set_labels(300);
  retrain.add_when()->mutable_regret();
  retrain.add_when()->mutable_schedule()->set_cron("0 2 * * 3");
  retrain.mutable_cooldown()->set_seconds(86400);
  retrain.mutable_at_most()->set_runs(6);
  retrain.mutable_at_most()->set_burst(4);
  retrain.mutable_at_most()->mutable_per()->set_seconds(30 * 86400);
  retrain.mutable_at_most()->mutable_rank_time()->set_seconds(24 * 3600);
  retrain.add_quiet("* 9-17 * * 1-5");
  retrain.add_quiet("* * * * 0");
  const Cron work = *Cron::parse(retrain.quiet(0)), sunday = *Cron::parse(retrain.quiet(1));
  size_t runs = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Done done = random_year(seed, retrain);
    runs += done.starts.size();
    for (size_t i = 6; i < done.starts.size(); ++i)
      EXPECT_GE(done.starts[i] - done.starts[i - 6], 30 * kDay) << "seed " << seed;
    for (size_t i = 4; i < done.paid.size(); ++i)
      EXPECT_GE(done.paid[i].first - done.paid[i - 4].first, 27 * kDay)
          << "24 h in 30 days are four runs of 6 h, which end up to three days after their start; seed "
          << seed;
    for (const int64_t start : done.starts)
      EXPECT_FALSE(work.matches(time_from_micros(start)) || sunday.matches(time_from_micros(start)))
          << format_time(time_from_micros(start));
    EXPECT_EQ(random_year(seed, retrain).journal, done.journal) << "a second replay decides alike";
  }
  EXPECT_GT(runs, 8u * 20u) << "the rules leave something to hold for";
}

TEST(Always, AThousandEpisodesOfDriftStartOneRunEach) {
  Stream s;
  s.retrain.mutable_at_most()->mutable_per()->set_seconds(86400);
  std::string journal;
  for (int episode = 0; episode < 1000; ++episode) {
    const size_t before = s.triggers.size();
    const int64_t begun = s.slot;
    int64_t done = 0;
    while (s.slot < begun + 24 * kDay) {
      s.drifts = s.context.champion == static_cast<uint64_t>(episode) + 1;
      if (s.hour()) {
        s.state.set_active_run("m-1");
        done = s.slot + 2 * kDay;
      }
      if (done != 0 && s.slot >= done) {
        done = 0;
        s.publish();
        s.state.clear_active_run();
      }
      s.slot += 5 * kHour;
      journal = s.state.SerializeAsString();
      ASSERT_TRUE(s.state.ParseFromString(journal));
    }
    ASSERT_EQ(s.triggers.size() - before, 1u) << "episode " << episode << ": " << s.reason;
  }
}

}  // namespace
}  // namespace rekindle::drift
