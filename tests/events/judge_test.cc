// Each sealed slot is judged once, in order, from event data alone.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> bytes(const std::vector<v1::JudgedWindow>& windows) {
  std::vector<std::string> out;
  for (const auto& w : windows) out.push_back(w.SerializeAsString());
  return out;
}

const v1::Score* find(const google::protobuf::RepeatedPtrField<v1::Score>& scores,
                      const std::string& feature) {
  for (const auto& s : scores)
    if (s.feature() == feature) return &s;
  return nullptr;
}

class JudgeTest : public StoreTest {
 protected:
  void append_all(const std::vector<v1::EventBatch>& stream) {
    for (const auto& batch : stream) append(batch);
  }
};

TEST_F(JudgeTest, NothingIsJudgedBeforeItsSlotIsSealed) {
  append_all(batches(1, 4, 2));
  EXPECT_TRUE(judge(kStart + kHour - 1).empty());
  const auto first = judge(kStart + kHour);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].slot_us(), kStart);
  EXPECT_EQ(first[0].until_us(), kStart + kHour);
  EXPECT_EQ(first[0].clock_us(), kStart + 2 * kHour);
  EXPECT_EQ(first[0].rows(), 8);
  EXPECT_TRUE(judge(kStart + kHour).empty());
  EXPECT_EQ(judge(kStart + 5 * kHour).size(), 4u);
}

TEST_F(JudgeTest, WithoutEventsThereIsNothingToJudge) {
  EXPECT_TRUE(judge(kStart + kDay).empty());
}

TEST_F(JudgeTest, TheWindowHoldsAtMostItsLength) {
  append_all(batches(9, 2, 5));
  const auto windows = judge(kStart + 9 * kDay);
  ASSERT_EQ(windows.size(), 9u * 24);
  EXPECT_EQ(windows[23].rows(), 24 * 10);
  EXPECT_EQ(windows[23].from_us(), kStart);
  EXPECT_EQ(windows.back().rows(), 7 * 24 * 10);
  EXPECT_EQ(windows.back().from_us(), kStart + 2 * kDay);
  for (const auto& score : windows.back().drift()) {
    EXPECT_FALSE(score.fired()) << score.feature() << ": " << score.reason();
    EXPECT_EQ(score.rows(), 7 * 24 * 10);
    EXPECT_GT(score.null_quantile(), 0);
  }
  EXPECT_EQ(windows.back().drift_size(), 3) << "two features and the prediction";
}

TEST_F(JudgeTest, DriftFiresOnTheFeatureThatMoved) {
  append_all(batches(4, 2, 10, [](int64_t t) { return Habit{.shift = t >= kStart + 2 * kDay ? 15.0 : 0}; }));
  const auto windows = judge(kStart + 4 * kDay);
  EXPECT_FALSE(find(windows[47].drift(), "temp")->fired());
  EXPECT_TRUE(find(windows.back().drift(), "temp")->fired());
  EXPECT_FALSE(find(windows.back().drift(), "origin")->fired());
  EXPECT_FALSE(find(windows.back().drift(), "prediction")->fired());
}

TEST_F(JudgeTest, WorseAnswersAreNoticedAndAttributedToTheirVersion) {
  append_all(batches(12, 2, 10, [](int64_t t) { return Habit{.wrong = t >= kStart + 8 * kDay}; }));
  const auto windows = judge(kStart + 13 * kDay);
  const auto fired = std::find_if(windows.begin(), windows.end(),
                                  [](const auto& w) { return w.quality_size() > 0 && w.quality(0).fired(); });
  ASSERT_NE(fired, windows.end());
  // Labels need a day; the detector some hours of them.
  EXPECT_GT(fired->slot_us(), kStart + 9 * kDay);
  EXPECT_LT(fired->slot_us(), kStart + 12 * kDay);
  EXPECT_EQ(fired->quality(0).version(), 1u);
  EXPECT_THAT(fired->quality(0).reason(), HasSubstr("log-loss went up from 0."));
  EXPECT_TRUE(windows.back().quality(0).fired()) << "it stays so until the errors fall";
  ASSERT_EQ(windows.back().quality_size(), 2);
  EXPECT_EQ(windows.back().quality(1).feature(), "wrong answers");
  EXPECT_TRUE(windows.back().quality(1).fired());
  EXPECT_THAT(windows.back().quality(1).reason(), HasSubstr("the share of wrong answers went up from 0."));
}

TEST_F(JudgeTest, AVersionThatIsBadFromItsFirstDayIsWorseThanTheOneBeforeIt) {
  const int64_t change = kStart + 8 * kDay;
  append_all(batches(
      14, 2, 10, [=](int64_t t) { return Habit{.wrong = t >= change, .version = t >= change ? 2u : 1u}; }));
  (void)judge(change + kDay);
  champion_ = 2;
  const auto windows = judge(kStart + 15 * kDay);
  const v1::Score& score = windows.back().quality(1);
  EXPECT_EQ(score.version(), 2u);
  EXPECT_TRUE(score.fired()) << score.reason();
  EXPECT_NEAR(static_cast<double>(score.since_us()), static_cast<double>(change), static_cast<double>(kDay));
}

TEST_F(JudgeTest, AVersionThatIsBetterHasNothingHeldAgainstIt) {
  const int64_t answer = kStart + 12 * kDay;
  append_all(batches(18, 2, 10, [=](int64_t t) {
    return Habit{.wrong = t >= kStart + 6 * kDay && t < answer, .version = t >= answer ? 2u : 1u};
  }));
  EXPECT_TRUE(judge(answer).back().quality(0).fired());
  champion_ = 2;
  for (const auto& w : judge(kStart + 19 * kDay))
    for (const auto& score : w.quality())
      if (score.version() == 2) ASSERT_FALSE(score.fired()) << score.reason();
}

TEST_F(JudgeTest, BetterAnswersAreNoReasonToRetrain) {
  append_all(batches(12, 2, 10, [](int64_t t) { return Habit{.wrong = t < kStart + 6 * kDay}; }));
  for (const auto& w : judge(kStart + 13 * kDay))
    for (const auto& score : w.quality()) ASSERT_FALSE(score.fired()) << score.reason();
}

TEST_F(JudgeTest, AShadowOwnsUpToWhatTheChampionMissesAndToWhatItCost) {
  spec_.mutable_retrain()->add_when()->mutable_regret()->set_loss(0.01);
  spec_.mutable_retrain()->mutable_window()->set_seconds(86400);
  // Half of the answers are to be wrong: not turned round, which would be a fault.
  const auto stream = batches(
      14, 2, 10, [](int64_t t) { return Habit{.wrong = t >= kStart + 9 * kDay && t / kHour % 2 == 0}; });
  append_all(stream);
  const auto windows = judge(kStart + 15 * kDay);
  const auto at = [&](int64_t day) { return windows[static_cast<size_t>(day * 24 - 1)]; };
  EXPECT_FALSE(at(1).has_regret()) << "no label has matured";
  ASSERT_TRUE(at(9).has_regret());
  EXPECT_FALSE(at(9).regret().fired()) << at(9).regret().reason();
  EXPECT_EQ(at(9).shadow_rows(), 8 * 24 * 20);
  EXPECT_EQ(at(9).regret().rows(), 8 * 24 * 20);
  EXPECT_TRUE(at(14).regret().fired()) << at(14).regret().reason();
  EXPECT_GE(at(14).regret().since_us(), kStart + 7 * kDay);
  EXPECT_LE(at(14).regret().since_us(), kStart + 10 * kDay);

  // Another champion owes nothing yet; the shadow goes on.
  open("other.db");
  after_ = 0;
  append_all(stream);
  judge(kStart + 9 * kDay);
  champion_ = 2;
  const auto later = judge(kStart + 10 * kDay);
  EXPECT_FALSE(later.back().has_regret()) << "none of its answers is known";
  EXPECT_EQ(later.back().shadow_rows(), 9 * 24 * 20);
}

TEST_F(JudgeTest, WhatTheShadowLearnsDoesNotDependOnIds) {
  spec_.mutable_retrain()->add_when()->mutable_regret()->set_loss(0.01);
  spec_.mutable_retrain()->mutable_window()->set_seconds(6 * 3600);
  const auto told = [&](bool renamed) {
    open(renamed ? "renamed.db" : "named.db");
    after_ = 0;
    for (v1::EventBatch batch : batches(10, 4, 5)) {
      for (auto& one : *batch.mutable_requests()) {
        // All requests of an hour at the same time: their ids alone tell them apart.
        one.set_event_time_us(one.event_time_us() / kHour * kHour);
        if (renamed) one.set_request_id(std::to_string(stable_hash(one.request_id())));
      }
      for (auto& one : *batch.mutable_labels())
        if (renamed) one.set_request_id(std::to_string(stable_hash(one.request_id())));
      append(batch);
    }
    std::vector<double> owed;
    for (const auto& window : judge(kStart + 10 * kDay)) owed.push_back(window.regret().value());
    return owed;
  };
  const std::vector<double> owed = told(false);
  EXPECT_GT(*std::max_element(owed.begin(), owed.end()), 0);
  EXPECT_EQ(owed, told(true));
}

TEST_F(JudgeTest, AnEstimateAsksForNoLabels) {
  v1::EstimateTrigger& asked = *spec_.mutable_retrain()->add_when()->mutable_estimate();
  asked.set_rise(0.02);
  asked.set_false_alarms(0.01);
  append_all(batches(4, 2, 10));
  EXPECT_FALSE(judge(kStart + 4 * kDay).back().has_estimate()) << "a profile of old knows no losses";
  v1::Profile knows = profile_;
  const auto& counts = knows.prediction().counts();
  // Sure answers lose little, those in the middle much.
  for (int bin = 0; bin < counts.size(); ++bin) {
    knows.add_loss_sums(0.4 * static_cast<double>(counts[bin]));
    knows.add_loss_square_sums(0.2 * static_cast<double>(counts[bin]));
  }
  profile_ = knows;
  open("known.db");
  after_ = 0;
  append_all(batches(4, 2, 10));
  const auto windows = judge(kStart + 4 * kDay);
  ASSERT_TRUE(windows.back().has_estimate());
  EXPECT_EQ(windows.back().estimate().version(), 1u);
  EXPECT_NEAR(windows.back().estimate().value(), 0, 1e-12) << "all bins lose alike";
  EXPECT_FALSE(windows.back().estimate().fired());
}

TEST_F(JudgeTest, TheCutOfAChangeIsToldInEventTime) {
  append_all(batches(12, 2, 10, [](int64_t t) { return Habit{.wrong = t >= kStart + 8 * kDay}; }));
  for (const auto& window : judge(kStart + 13 * kDay)) {
    if (window.quality().empty() || !window.quality(0).fired()) continue;
    EXPECT_NEAR(static_cast<double>(window.quality(0).since_us() - kStart) / kDay, 8, 1);
    return;
  }
  FAIL() << "nothing fired";
}

TEST_F(JudgeTest, ArrivalOrderDoesNotMatter) {
  std::vector<v1::EventBatch> stream = batches(3, 4, 5);
  append_all(stream);
  const auto in_order = bytes(judge(kStart + 4 * kDay));
  ASSERT_EQ(in_order.size(), 4u * 24);
  open("shuffled.db");
  after_ = 0;
  std::shuffle(stream.begin(), stream.end(), std::mt19937(3));
  append_all(stream);
  EXPECT_EQ(bytes(judge(kStart + 4 * kDay)), in_order);
}

TEST_F(JudgeTest, RestartsAnywhereGiveTheSameJudgements) {
  const auto habit = [](int64_t t) {
    return Habit{.shift = t >= kStart + 5 * kDay ? 9.0 : 0,
                 .wrong = t >= kStart + 3 * kDay,
                 .no_temp = t >= kStart + 8 * kDay};
  };
  const std::vector<v1::EventBatch> stream = batches(10, 2, 10, habit);
  const auto run = [&](const char* name, bool restarts) {
    open(name);
    after_ = 0;
    std::vector<std::string> out;
    int64_t watermark = kStart;
    for (size_t i = 0; i < stream.size(); ++i) {
      append(stream[i]);
      if (i % 2 == 0) continue;
      for (auto& w : bytes(judge(watermark))) out.push_back(std::move(w));
      watermark += kHour;
      if (restarts && i % 31 == 1) open(name);
    }
    return out;
  };
  const auto whole = run("whole.db", false), broken = run("broken.db", true);
  ASSERT_GT(whole.size(), 180u);
  EXPECT_EQ(broken, whole);
  // The story was not an empty one.
  v1::JudgedWindow last;
  ASSERT_TRUE(last.ParseFromString(whole.back()));
  EXPECT_FALSE(last.breaches().empty());
  EXPECT_TRUE(last.quality(0).fired());
}

TEST_F(JudgeTest, AnAnswerThatWasLostIsGivenAgain) {
  append_all(batches(1, 4, 2));
  const auto ask = [&](int64_t after) { return store_->judge_next(input(kStart + 5 * kHour, after)); };
  const std::string first = (**ask(0)).SerializeAsString();
  EXPECT_EQ((**ask(0)).SerializeAsString(), first) << "the caller did not record it";
  open();
  EXPECT_EQ((**ask(0)).SerializeAsString(), first);
  EXPECT_EQ((**ask(kStart)).slot_us(), kStart + kHour);
}

// The judge's own writes are not fsynced one by one: power may take the newest from under a caller that
// has recorded their answers.
TEST_F(JudgeTest, CatchesUpWithACallerThatKnowsMore) {
  append_all(batches(2, 4, 5));
  const auto all = judge(kStart + 2 * kDay);
  open("behind.db");
  append_all(batches(2, 4, 5));
  const auto next = store_->judge_next(input(kStart + 2 * kDay, kStart + 30 * kHour));
  ASSERT_TRUE(next.ok() && *next);
  EXPECT_EQ((*next)->SerializeAsString(), all[31].SerializeAsString());
}

TEST_F(JudgeTest, ANewChampionBeginsWithAWindowOfItsOwn) {
  Node node("node-a");
  for (int64_t t = kStart; t < kStart + 4 * kDay; t += kHour) {
    // A canary of one request in four for a day, then the whole.
    std::vector<v1::RequestRecord> requests;
    for (int i = 0; i < 4; ++i) {
      const bool second = t >= kStart + 3 * kDay || (t >= kStart + 2 * kDay && i == 0);
      requests.push_back(request(t, i, 2, second ? 2 : 1).record);
    }
    append(node.batch(requests, {}));
  }
  (void)judge(kStart + 3 * kDay);
  champion_ = 2;
  const auto windows = judge(kStart + 4 * kDay);
  EXPECT_EQ(windows.front().from_us(), kStart + 3 * kDay) << "its canary was not its own time";
  EXPECT_EQ(windows.back().from_us(), kStart + 3 * kDay);
  EXPECT_EQ(windows.back().rows(), 24 * 8);
  EXPECT_EQ(windows.back().version(), 2u);
}

TEST_F(JudgeTest, WithoutAChampionTheSlotIsJudgedAllTheSame) {
  champion_ = 0;
  append_all(batches(1, 1, 1));
  const auto windows = judge(kStart + 3 * kHour);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].drift_size(), 0);
}

TEST_F(JudgeTest, NightsAreJudgedAndLongSilencesArePassedOver) {
  Node node("node-a");
  append(node.batch({request(kStart, 0, 2).record}, {}));
  append(node.batch({request(kStart + 30 * kDay, 0, 2).record}, {}));
  const auto windows = judge(kStart + 31 * kDay);
  // A window of hours after the first, then from the next traffic on.
  EXPECT_EQ(windows.size(), 1u + 7 * 24 + 24);
  EXPECT_EQ(windows[7 * 24].slot_us(), kStart + 7 * kDay);
  EXPECT_EQ(windows[7 * 24 + 1].slot_us(), kStart + 30 * kDay);
}

TEST_F(JudgeTest, AReplayOfThePastIsAHistoryOfItsOwn) {
  Node node("node-of-today");
  append(node.batch({request(kStart + 4000 * kDay, 0, 2).record}, {}));
  EXPECT_EQ(judge(kStart + 4000 * kDay + 5 * kHour).size(), 5u);
  append_all(batches(1, 4, 2));
  const auto windows = judge(kStart + 6 * kHour);
  ASSERT_EQ(windows.size(), 6u);
  EXPECT_EQ(windows[0].slot_us(), kStart);
  EXPECT_EQ(windows[0].rows(), 8);
}

TEST_F(JudgeTest, LateRowsAndLabelsAreCountedAndChangeNoJudgement) {
  append_all(batches(2, 4, 2));
  const auto before = judge(kStart + 2 * kDay + 12 * kHour);
  Node late("node-late");
  const Asked asked = request(kStart + kHour, 77, 2);
  append(late.batch({asked.record}, {asked.labels}));
  EXPECT_EQ(store_->totals("demand").late_counted_rows, 2u);
  EXPECT_EQ(store_->totals("demand").late_labels, 1u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 2u * 24 * 8 + 2) << "kept";
  const auto again =
      store_->judge_next(input(kStart + 2 * kDay + 12 * kHour, before.back().slot_us() - kHour));
  EXPECT_EQ((*again)->SerializeAsString(), before.back().SerializeAsString());
}

class BrokenFeed : public JudgeTest {
 protected:
  // The third day comes without temp.
  std::vector<v1::JudgedWindow> judged_with_a_burst() {
    append_all(batches(9, 2, 10, [](int64_t t) {
      return Habit{.no_temp = t >= kStart + 2 * kDay && t < kStart + 4 * kDay};
    }));
    return judge(kStart + 9 * kDay);
  }
};

TEST_F(BrokenFeed, IsReportedAndItsRowsAreNotCompared) {
  const auto windows = judged_with_a_burst();
  const auto first =
      std::find_if(windows.begin(), windows.end(), [](const auto& w) { return w.breaches_size() > 0; });
  ASSERT_NE(first, windows.end());
  EXPECT_EQ(first->breaches(0).check(), "missing_share");
  EXPECT_EQ(first->breaches(0).feature(), "temp");
  EXPECT_EQ(first->breaches(0).source(), "") << "all nodes alike";
  EXPECT_EQ(first->breaches(0).from_us(), kStart + 2 * kDay);
  EXPECT_LE(first->slot_us(), kStart + 3 * kDay + 8 * kHour);
  EXPECT_TRUE(windows.back().breaches().empty()) << "mended";
  // The window begins anew behind the broken rows, and nothing in it has moved.
  EXPECT_EQ(windows.back().from_us(), kStart + 4 * kDay);
  EXPECT_FALSE(find(windows.back().drift(), "temp")->fired());
}

TEST_F(BrokenFeed, ErrorsOnBrokenRowsAreNotTheModels) {
  append_all(batches(12, 2, 10, [](int64_t t) {
    const bool broken = t >= kStart + 3 * kDay && t < kStart + 10 * kDay;
    return Habit{.wrong = broken, .no_temp = broken};
  }));
  for (const auto& w : judge(kStart + 13 * kDay))
    for (const auto& score : w.quality()) ASSERT_FALSE(score.fired()) << score.reason();
}

TEST_F(BrokenFeed, ThatIsReleasedIsTheWorld) {
  append_all(batches(4, 2, 10, [](int64_t t) { return Habit{.no_temp = t >= kStart + 2 * kDay}; }));
  const auto held = judge(kStart + 3 * kDay + 20 * kHour);
  ASSERT_EQ(held.back().breaches_size(), 1);
  v1::Quarantine& q = quarantines_.emplace_back();
  q.set_id(1);
  *q.mutable_breach() = held.back().breaches(0);
  q.set_state(v1::Quarantine::RELEASED);
  const auto released = judge(kStart + 4 * kDay);
  EXPECT_TRUE(released.back().breaches().empty());
  EXPECT_EQ(released.back().from_us(), kStart);
  EXPECT_TRUE(find(released.back().drift(), "temp")->fired()) << "now it is drift";
}

TEST_F(BrokenFeed, OfOneNodeIsThatNodesAlone) {
  Node a("node-a"), b("node-b"), c("node-c");
  for (int64_t t = kStart; t < kStart + 6 * kDay; t += kHour) {
    const auto asked = [&](int i, bool broken) { return request(t, i, 10, 1, {.no_temp = broken}).record; };
    append(a.batch({asked(0, false), asked(1, false)}, {}));
    append(b.batch({asked(2, false), asked(3, false), asked(4, false), asked(5, false)}, {}));
    append(c.batch({asked(6, t >= kStart + 3 * kDay)}, {}));
  }
  const auto windows = judge(kStart + 6 * kDay);
  ASSERT_EQ(windows.back().breaches_size(), 1) << windows.back().DebugString();
  EXPECT_EQ(windows.back().breaches(0).source(), "node-c");
  EXPECT_EQ(windows.back().rows(), (6 * 24 * 6 + 3 * 24) * 10) << "the rows of the others still count";
}

// Labels turned round: their rows wait, and so does their day.
TEST_F(BrokenFeed, LabelsTurnedRoundAreHeld) {
  append_all(batches(11, 2, 10, [](int64_t t) { return Habit{.inverted = t >= kStart + 8 * kDay}; }));
  const auto windows = judge(kStart + 12 * kDay);
  ASSERT_EQ(windows.back().breaches_size(), 1);
  const v1::Breach& breach = windows.back().breaches(0);
  EXPECT_EQ(breach.check(), "inverted_label");
  EXPECT_EQ(breach.feature(), "late");
  EXPECT_EQ(breach.from_us(), kStart + 8 * kDay);
  EXPECT_EQ(breach.until_us(), kStart + 11 * kDay);
  quarantines_.emplace_back().set_id(1);
  quarantines_[0].set_model("demand");
  quarantines_[0].set_state(v1::Quarantine::OPEN);
  *quarantines_[0].mutable_breach() = breach;
  EXPECT_EQ(settle(kStart + 12 * kDay).size(), 8u) << "the days before";
}

// Nobody was told yet that anything is wrong, and nothing of it is settled.
TEST_F(BrokenFeed, ADayThatMayBeBrokenIsNotSettled) {
  append_all(
      batches(9, 2, 10, [](int64_t t) { return Habit{.no_temp = t >= kStart + 4 * kDay + 23 * kHour}; }));
  const auto windows = judge(kStart + 6 * kDay);
  EXPECT_TRUE(windows.back().breaches().empty());
  EXPECT_EQ(settle(kStart + 6 * kDay).size(), 4u);
  EXPECT_EQ(judge(kStart + 6 * kDay + 6 * kHour).back().breaches_size(), 1);
}

// Days that wait behind an outage are judged before they are settled.
TEST_F(BrokenFeed, WhatWasNotJudgedIsNotSettled) {
  append_all(batches(9, 2, 10));
  JudgeInput in = input(kStart + 9 * kDay, 0);
  EXPECT_EQ(*store_->settle_until(in), kStart + kHour);
  (void)judge(kStart + 3 * kDay);
  in.after_slot_us = after_;
  EXPECT_EQ(*store_->settle_until(in), kStart + 3 * kDay + kHour);
  in.after_slot_us = after_ - kHour;
  EXPECT_EQ(*store_->settle_until(in), kStart + 3 * kDay) << "an answer that was not recorded";
  (void)judge(kStart + 9 * kDay);
  in = input(kStart + 9 * kDay, after_);
  EXPECT_EQ(*store_->settle_until(in), kStart + 9 * kDay);
}

TEST_F(BrokenFeed, AFloodFromOneSourceIsThatSourcesAlone) {
  append_all(batches(4, 2, 10));
  Node flood("node-flood");
  for (int64_t t = kStart + 4 * kDay; t < kStart + 5 * kDay; t += kHour)
    append(flood.batch({request(t, 900, 900, 1, {.shift = 40}).record}, {}));
  const auto windows = judge(kStart + 5 * kDay);
  ASSERT_EQ(windows.back().breaches_size(), 1) << windows.back().breaches(0).reason();
  EXPECT_EQ(windows.back().breaches(0).check(), "flood");
  EXPECT_EQ(windows.back().breaches(0).source(), "node-flood");
  EXPECT_FALSE(find(windows.back().drift(), "temp")->fired()) << "the window is not poisoned";
}

}  // namespace
}  // namespace rekindle::events
