// Replays: what the clock moves, triggers and rollouts under it, and why a version is there.
#include "core/plan.h"
#include "core/why.h"
#include "core/windows.h"
#include "tests/core/replaying.h"

namespace rekindle::core::testing {
namespace {

using ::testing::HasSubstr;

TEST(Replay, OneSessionWhoseClockNeverGoesBack) {
  Replaying d;
  EXPECT_EQ(model_clock_us(d.state, kModel, d.world.now), day_us(2, 1));
  EXPECT_EQ(d.refuse(BeginReplay{begin(day_us(2, 1), "other")}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(d.refuse(to(day_us(2, 2), "other")).code(), Code::kFailedPrecondition);
  d.run(to(day_us(2, 2)));
  d.run(to(day_us(2, 2)));
  EXPECT_EQ(d.refuse(to(day_us(2, 1))).code(), Code::kOutOfRange);
  d.run(BeginReplay{begin(day_us(2, 1))});  // the driver came back
  EXPECT_EQ(model_clock_us(d.state, kModel, d.world.now), day_us(2, 2));
  v1::EndReplayRequest end;
  end.set_model(kModel);
  end.set_session("other");
  EXPECT_EQ(d.refuse(EndReplay{end}).code(), Code::kFailedPrecondition);
  end.set_session("s");
  d.run(EndReplay{end});
  d.run(EndReplay{end});
  EXPECT_EQ(model_clock_us(d.state, kModel, d.world.now), to_micros(d.world.now));
}

TEST(Replay, DriftTriggersOneRunWhoseVerdictWaitsForTheClock) {
  Replaying d;
  int64_t clock = day_us(2, 1);
  std::string id = d.until_triggered(clock);
  const v1::Run& run = d.run_of(id);
  EXPECT_EQ(run.cause(), v1::CAUSE_DRIFT);
  EXPECT_EQ(run.as_of_us(), clock);
  EXPECT_EQ(run.champion(), 1u);
  EXPECT_EQ(run.windows().until_us() % kDayUs, 0) << "whole settled days";
  EXPECT_LE(run.windows().until_us(), clock - 25 * kHourUs);
  EXPECT_THAT(run.cause_detail(), HasSubstr("temp"));

  // However fast the machine trains: nothing is judged before the run's time has passed on the clock.
  d.gang_starts(id);
  d.ends(id, v1::END_FINISHED, finished("b", evaluation_of(.50, .53)));
  EXPECT_TRUE(wanted(d.state, d.world.now).empty());
  d.verified(id);
  EXPECT_EQ(d.run_of(id).state(), v1::JUDGING);
  d.advance_to(clock + kHourUs, 0.9);
  EXPECT_EQ(wanted(d.state, d.world.now).size(), 1u);
  EXPECT_EQ(d.model().decision().active_run(), id) << "single flight";
  d.verified(id);
  EXPECT_EQ(d.run_of(id).state(), v1::PUBLISHED);
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::LOADING_CANARY);

  d.nodes_follow();
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::BAKING);
  EXPECT_EQ(d.model().rollout().bake_until_us(), clock + kHourUs + kDayUs);
  d.pass(Seconds(10 * 86400));
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::BAKING) << "wall time bakes nothing in a replay";
  d.run(to(clock + kHourUs + kDayUs - 1));
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::BAKING);
  d.run(to(clock + kHourUs + kDayUs));
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::LOADING_ALL);
  d.nodes_follow();
  EXPECT_EQ(d.model().aliases().at("champion"), 2u);
  EXPECT_EQ(d.model().plan().versions_size(), 2) << "version 1 stays pinned";

  // The causal thread.
  auto told = why(d.state, kModel, 2, d.journal);
  ASSERT_TRUE(told.ok());
  std::vector<std::string> whats;
  for (const auto& step : told->steps())
    if (whats.empty() || whats.back() != step.what()) whats.push_back(step.what());
  EXPECT_THAT(whats, ::testing::ElementsAre("window", "trigger", "run", "attempt", "run", "gate", "version",
                                            "run", "version", "rollout", "version", "rollout"));
  EXPECT_EQ(why(d.state, kModel, 9, d.journal).status().code(), Code::kNotFound);
  EXPECT_EQ(why(d.state, "x", 1, d.journal).status().code(), Code::kNotFound);
}

TEST(Replay, LabelsUndoAPromotion) {
  Replaying d;
  v1::JobSpec spec = find_job(d.state, kModel)->spec();
  spec.mutable_serve()->mutable_analysis()->set_false_alarms(0.01);
  spec.mutable_serve()->mutable_analysis()->set_min_rows(200);
  d.run(Apply{apply_of(spec)});
  int64_t clock = day_us(2, 1);
  const std::string id = d.until_triggered(clock);
  d.ends(id, v1::END_FINISHED, finished("b", evaluation_of(.50, .53)));
  d.run(to(clock + kHourUs));
  d.verified(id);
  d.nodes_follow();
  d.run(to(clock + 3 * kDayUs));
  d.nodes_follow();
  ASSERT_EQ(d.model().aliases().at("champion"), 2u);

  v1::JudgedWindow window = window_of(kModel, clock + 3 * kDayUs, 2, 0.1);
  v1::LossComparison& labels = *window.add_comparisons();
  labels.set_version(2), labels.set_against(1), labels.set_version_rows(300), labels.set_against_rows(3000);
  labels.set_weight(270), labels.set_weighted_gain(5), labels.set_square_sum(3000), labels.set_degrees(3000);
  d.run(JudgeWindow{window});
  EXPECT_EQ(d.model().aliases().at("champion"), 2u);
  EXPECT_GT(d.model().rollout().evidence().gain(), 0);
  const auto told = why(d.state, kModel, 2, d.journal);
  ASSERT_TRUE(told.ok());
  EXPECT_THAT(told->steps().rbegin()->text(), HasSubstr("evidence: gain +0.0185 a row"));

  window.set_slot_us(window.slot_us() + kHourUs);
  window.mutable_comparisons(0)->set_weighted_gain(-270);
  d.run(JudgeWindow{window});
  EXPECT_EQ(d.model().aliases().at("champion"), 1u);
  EXPECT_TRUE(d.model().versions(1).proved_worse());
  EXPECT_TRUE(d.model().versions(1).barred());
}

TEST(Replay, ABakeEndsOnlyWhenTheClockMoves) {
  Replaying d;
  int64_t clock = day_us(2, 1);
  std::string id = d.until_triggered(clock);
  d.ends(id, v1::END_FINISHED, finished("b", evaluation_of(.50, .53)));
  d.run(to(clock + kHourUs));
  d.verified(id);
  // What nodes report comes when it comes; what the event store holds depends on event time alone.
  d.nodes_follow(kModel, 500);
  d.run(to(clock + 3 * kDayUs, "s", 5));
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::BAKING) << "too few answers";
  d.nodes_follow(kModel, 5);
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::BAKING);
  d.run(to(clock + 3 * kDayUs));
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::LOADING_ALL);
  // Nodes that are away for a moment are waited for.
  d.world.serving.clear();
  d.pass(Seconds(60));
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::LOADING_ALL);
}

}  // namespace
}  // namespace rekindle::core::testing
