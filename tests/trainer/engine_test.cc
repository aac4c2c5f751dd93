// Whole attempts with the real binary: optimizers resumed bit by bit, ranks that come and go, limits, guards,
// warm starts, disks that cannot be written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "artifacts/manifest.h"
#include "base/clock.h"
#include "base/files.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

v1::Train& train_of(v1::Plan& plan) {
  return *plan.mutable_spec()->mutable_train();
}

// A fit of two epochs, long enough to be killed in the middle.
v1::Plan short_plan(const TestRun& run, uint32_t world) {
  auto plan = run.plan(world);
  train_of(plan).mutable_stop()->set_epochs(2);
  train_of(plan).mutable_model()->mutable_tabular()->set_dropout(0.2);
  return plan;
}

struct Way {
  const char* name;
  std::function<void(v1::Train&)> change;
  const char* reduction = "flat";
};
std::ostream& operator<<(std::ostream& out, const Way& w) {
  return out << w.name;
}
class Ways : public ::testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Ways,
    ::testing::Values(Way{"sgd", [](v1::Train& t) { t.mutable_optimizer()->mutable_sgd()->set_rate(0.05); }},
                      Way{"sgd without momentum",
                          [](v1::Train& t) {
                            t.mutable_optimizer()->mutable_sgd()->set_rate(0.05);
                            t.mutable_optimizer()->mutable_sgd()->set_momentum(0);
                          }},
                      Way{"adam, clipped",
                          [](v1::Train& t) {
                            t.mutable_optimizer()->mutable_adam()->set_rate(0.005);
                            t.mutable_optimizer()->set_clip(0.5);
                          }},
                      Way{"adagrad, linear schedule",
                          [](v1::Train& t) {
                            t.mutable_optimizer()->mutable_adagrad()->set_rate(0.02);
                            t.mutable_optimizer()->mutable_schedule()->mutable_linear();
                          }},
                      Way{"adamw in parts, with an average",
                          [](v1::Train& t) { t.set_accumulate(3), t.mutable_optimizer()->set_average(0.9); }},
                      Way{"buckets, halves",
                          [](v1::Train& t) {
                            t.mutable_reduction()->set_kind(v1::Reduction::BUCKETS);
                            t.mutable_reduction()->set_compress(v1::Reduction::HALF);
                          },
                          "buckets, half"},
                      Way{"bf16", [](v1::Train& t) { t.set_precision(v1::BF16); }}));

TEST_P(Ways, LearnAndResumeBitIdentical) {
  TestRun whole, broken;
  auto plan = short_plan(whole, 2);
  GetParam().change(train_of(plan));
  auto ended = whole.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto outcome = whole.outcome(plan);
  const auto& sums = outcome.evaluation().slices(0);
  EXPECT_LT(sums.candidate_log_loss_sum(), sums.constant_log_loss_sum()) << "it has learned something";
  EXPECT_EQ(outcome.reduction(), GetParam().reduction);

  plan = short_plan(broken, 2);
  GetParam().change(train_of(plan));
  plan.set_fault("kill rank=1 step=25; slow ms=5");
  EXPECT_NE(broken.run(plan).code, 0);
  plan.set_attempt(2);
  ended = broken.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_GT(broken.outcome(plan).resumed_from_step(), 0u);
  EXPECT_EQ(broken.outcome(plan).parameters_sha256(), outcome.parameters_sha256());
}

TEST(Attempt, GoesOnWithMoreAndWithFewerRanks) {
  TestRun run, alone;
  ASSERT_EQ(alone.run(short_plan(alone, 1)).code, 0);
  auto plan = short_plan(run, 2);
  plan.set_fault("kill rank=1 step=25; slow ms=5");
  EXPECT_NE(run.run(plan).code, 0);
  plan.set_world(3);
  plan.set_attempt(2);
  plan.set_fault("kill rank=2 step=32 attempt=2; slow ms=5 attempt=2");
  EXPECT_NE(run.run(plan).code, 0);
  plan.set_world(1);
  plan.set_attempt(3);
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto outcome = run.outcome(plan), lone = alone.outcome(short_plan(alone, 1));
  EXPECT_EQ(outcome.steps(), lone.steps());
  EXPECT_NEAR(outcome.valid_loss(), lone.valid_loss(), 1e-4);
  auto a = alone.parameters(lone.manifest()), b = run.parameters(outcome.manifest());
  for (const auto& [name, values] : a) {
    for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], b[name][i], 2e-3) << name;
  }
}

TEST(Stop, AfterSoManySteps) {
  TestRun run;
  auto plan = run.plan(1);
  train_of(plan).mutable_stop()->set_steps(30);
  ASSERT_EQ(run.run(plan).code, 0);
  auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.steps(), 30u);
  EXPECT_EQ(outcome.epochs(), 2u) << "the second one cut short, and validated all the same";
  EXPECT_FALSE(outcome.manifest().empty());
}

TEST(Stop, WithinATime) {
  TestRun run;
  auto plan = run.plan(2);
  train_of(plan).mutable_stop()->set_epochs(10000);
  train_of(plan).mutable_stop()->set_patience(0);
  train_of(plan).mutable_stop()->mutable_within()->set_seconds(1);
  plan.set_fault("slow ms=20");
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_GE(run.outcome(plan).train_seconds(), 1);
  EXPECT_LT(run.outcome(plan).steps(), 60u);
  EXPECT_FALSE(run.outcome(plan).manifest().empty());
}

TEST(Stop, BeforeTheAttemptsTimeLimit) {
  TestRun run;
  auto plan = run.plan(2);
  plan.set_leave_by_us(to_micros(SystemClock().wall()));
  auto ended = run.run(plan);
  EXPECT_EQ(ended.code, 75) << ended.log;
  auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), v1::Outcome::YIELDED);
  EXPECT_EQ(outcome.message(), "left before the attempt's time limit, after step 1");
  plan.set_attempt(2);
  plan.set_leave_by_us(0);
  ASSERT_EQ(run.run(plan).code, 0);
  EXPECT_EQ(run.outcome(plan).resumed_from_step(), 1u);
}

TEST(Guards, ALossThatGrowsEndsTheRun) {
  TestRun run;
  auto plan = run.plan(1);
  auto& optimizer = *train_of(plan).mutable_optimizer();
  optimizer.mutable_sgd()->set_rate(4);
  optimizer.mutable_schedule()->mutable_linear();
  optimizer.mutable_warmup()->set_share(0.5);
  optimizer.mutable_warmup()->set_most(1000);
  train_of(plan).mutable_stop()->set_patience(0);
  train_of(plan).mutable_stop()->set_diverged(1.02);
  auto ended = run.run(plan);
  EXPECT_EQ(ended.code, 78) << ended.log;
  auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), v1::Outcome::SPEC_REFUSED);
  EXPECT_THAT(outcome.message(), StartsWith("the loss has grown from"));
  EXPECT_THAT(outcome.message(), HasSubstr("train.optimizer.sgd.rate"));
  EXPECT_TRUE(outcome.manifest().empty());
}

class Flips : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Table, Flips, ::testing::Values(2, 3));
TEST_P(Flips, AreFoundNamedAndNeverSaved) {
  TestRun run;
  auto plan = run.plan(GetParam());
  plan.set_fault("flip rank=1 step=25");
  train_of(plan).mutable_limits()->set_digest(10);
  auto ended = run.run(plan);
  EXPECT_EQ(ended.code, 70) << ended.log;
  auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), v1::Outcome::DIVERGED);
  EXPECT_EQ(outcome.culprit(), GetParam() == 2 ? 0 : 2);
  EXPECT_THAT(outcome.message(), StartsWith(GetParam() == 2 ? "ranks 0 and 1 hold different parameters"
                                                            : "rank 1 holds other parameters"));
  EXPECT_THAT(outcome.message(), HasSubstr("after step 30"));
  EXPECT_TRUE(outcome.manifest().empty());
  for (const auto& entry : fs::directory_iterator(plan.checkpoints()))
    EXPECT_LE(std::stoull(entry.path().filename().string().substr(5)), 25u) << entry.path();
}

TEST(Start, FromAVersionBeginsWhereItEnded) {
  TestRun run;
  auto first = run.plan(1);
  ASSERT_EQ(run.run(first).code, 0);
  auto second = run.plan(2);
  second.set_run("late-2");
  second.set_checkpoints(run.root / "runs" / "late-2" / "checkpoints");
  second.set_start_manifest(run.outcome(first).manifest());
  second.set_start_version(1);
  train_of(second).mutable_stop()->set_steps(1);
  train_of(second).mutable_optimizer()->mutable_adamw()->set_rate(1e-7);
  auto ended = run.run(second);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto outcome = run.outcome(second);
  EXPECT_THAT(outcome.started_from(), StartsWith("version 1: 8 of 8 parameters taken over"));
  EXPECT_NEAR(outcome.valid_loss(), run.outcome(first).valid_loss(), 1e-4);
  auto manifest = artifacts::load_manifest(*run.store, outcome.manifest()).value();
  EXPECT_THAT(artifacts::read_file(*run.store, manifest, "lineage.json").value(),
              HasSubstr("\"started_from\": \"1\""));
}

TEST(Start, FromAVersionThatIsNotThereIsRefused) {
  TestRun run;
  auto plan = run.plan(1);
  plan.set_start_version(7);
  EXPECT_EQ(run.run(plan).code, 65);
  EXPECT_THAT(run.outcome(plan).message(), HasSubstr("version 7, which the registry does not hold"));
}

TEST(CheckpointFailures, TrainingGoesOnWithoutThem) {
  TestRun run;
  auto plan = run.plan(2);
  // A file lies where the folder should be.
  ASSERT_TRUE(write_file_durably(run.root / "in-the-way", "x").ok());
  plan.set_checkpoints(run.root / "in-the-way" / "checkpoints");
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_FALSE(run.outcome(plan).manifest().empty());
  bool noted = false;
  for (const auto& report : run.reports(plan, 0))
    noted |= report.note().text().find("could not be written") != std::string::npos;
  EXPECT_TRUE(noted);
  // Who must leave has to save: the attempt fails, and says so.
  plan.set_attempt(2);
  plan.set_leave_by_us(1);
  ended = run.run(plan);
  EXPECT_NE(ended.code, 75);
  EXPECT_THAT(ended.log, HasSubstr("the checkpoint to leave with"));
}

TEST(Reports, TellRateNormMemoryAndWhatCheckpointsCost) {
  TestRun run;
  auto plan = run.plan(1);
  plan.set_fault("slow ms=20");
  ASSERT_EQ(run.run(plan).code, 0);
  v1::Progress last;
  v1::CheckpointCommitted committed;
  for (const auto& report : run.reports(plan, 0)) {
    if (report.has_progress()) last = report.progress();
    if (report.has_checkpoint()) committed = report.checkpoint();
  }
  EXPECT_GT(last.rate(), 0);
  EXPECT_GT(last.gradient_norm(), 0);
  EXPECT_GT(last.loss(), 0);
  EXPECT_GT(last.memory_bytes(), 10u << 20);
  EXPECT_GT(last.rows_per_second(), 0);
  EXPECT_EQ(last.steps(), last.step());
  EXPECT_EQ(committed.world(), 1u);
  EXPECT_GT(committed.seconds(), 0);
  EXPECT_LE(committed.stall_seconds(), committed.seconds());
}

}  // namespace
}  // namespace rekindle::trainer
