// Runs that make several fits: which one is published, what is told of the others, and that a run which is
// interrupted anywhere ends with the same bits. In this process, but for the deaths of the nightly suite.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "artifacts/manifest.h"
#include "base/clock.h"
#include "base/log.h"
#include "plans.h"
#include "trainer/collectives/collectives.h"
#include "trainer/rank.h"
#include "trainer/train/fits.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kChangeDay = 4;

// Until the fourth day labels are the other way round.
dataio::Table changing_rows() {
  dataio::Table rows = made_up_rows(2400);
  auto& late = rows.find("late")->numbers;
  for (size_t i = 0; i < late.size() * kChangeDay / 10; ++i) late[i] = 1 - late[i];
  return rows;
}

class Candidates : public ::testing::Test {
 protected:
  void SetUp() override { start_logging("trainer_candidates_test", LogLevel::kError, false); }

  // All rows, those since the change, and all with a rate that gets nowhere.
  v1::Plan plan(const std::string& id, uint32_t epochs = 2) const {
    v1::Plan out = run_.plan(1);
    out.set_run(id);
    out.set_checkpoints(run_.root / "runs" / id / "checkpoints");
    v1::Train& train = *out.mutable_spec()->mutable_train();
    train.mutable_stop()->set_epochs(epochs);
    train.mutable_optimizer()->mutable_adamw()->set_rate(0.03);
    train.add_candidates()->mutable_rows()->mutable_since_drift();
    train.add_candidates()->mutable_optimizer()->mutable_adamw()->set_rate(1e-6);
    out.mutable_windows()->add_candidates_from_us(run_.first_us + kChangeDay * kDayUs);
    out.mutable_windows()->add_candidates_from_us(run_.first_us);
    out.add_candidate_starts();
    out.add_candidate_starts();
    return out;
  }
  // What somebody would write who wants its second fit alone.
  v1::Plan since_change(const std::string& id, uint32_t epochs = 2) const {
    v1::Plan out = plan(id, epochs);
    out.mutable_spec()->mutable_train()->clear_candidates();
    *out.mutable_spec()->mutable_train()->mutable_rows()->mutable_since_drift() = v1::SinceDrift();
    out.clear_candidate_starts();
    out.mutable_windows()->clear_candidates_from_us();
    out.mutable_windows()->set_train_from_us(run_.first_us + kChangeDay * kDayUs);
    return out;
  }
  // Returns the exit code.
  int attempt(const v1::Plan& plan) const {
    const auto folder = run_.folder(plan);
    const Status made = folder.create(plan);
    EXPECT_TRUE(made.ok()) << made.message();
    const auto rank = lone_rank();
    const std::atomic<bool> never{false};
    return run_rank(folder, plan, *rank, never);
  }
  v1::Outcome finish(const v1::Plan& plan) const {
    EXPECT_EQ(attempt(plan), 0);
    return run_.outcome(plan);
  }
  std::string lineage(const v1::Outcome& outcome) const {
    const auto manifest = artifacts::load_manifest(*run_.store, outcome.manifest()).value();
    return artifacts::read_file(*run_.store, manifest, "lineage.json").value();
  }

  TestRun run_{changing_rows()};
};

// All but what clocks tell.
std::string told(v1::Outcome outcome) {
  std::string out;
  for (v1::CandidateFit& fit : *outcome.mutable_candidates()) {
    fit.clear_train_seconds();
    out += fit.ShortDebugString() + "\n";
  }
  return out;
}

TEST_F(Candidates, TheBestOnTheValidationRowsIsJudgedAndPublished) {
  const auto several = plan("late-1");
  const v1::Outcome outcome = finish(several);
  ASSERT_EQ(outcome.candidates_size(), 3);
  const v1::CandidateFit &all = outcome.candidates(0), &since = outcome.candidates(1),
                         &slow = outcome.candidates(2);
  EXPECT_TRUE(since.chosen()) << told(outcome);
  EXPECT_FALSE(all.chosen() || slow.chosen());
  EXPECT_LT(since.figure(), all.figure());
  EXPECT_LT(since.figure(), slow.figure());
  EXPECT_EQ(since.number(), 1u);
  EXPECT_EQ(since.train_from_us(), run_.first_us + kChangeDay * kDayUs);
  EXPECT_LT(since.train_rows(), all.train_rows());
  EXPECT_EQ(since.valid_rows(), all.valid_rows()) << "compared on the same rows";
  // What is told of rows and parameters is the chosen one's, what it cost is all of it.
  EXPECT_EQ(outcome.train_rows(), since.train_rows());
  EXPECT_EQ(outcome.parameters_sha256(), since.parameters_sha256());
  EXPECT_EQ(outcome.steps(), all.steps() + since.steps() + slow.steps());
  EXPECT_DOUBLE_EQ(outcome.train_seconds(),
                   all.train_seconds() + since.train_seconds() + slow.train_seconds());
  EXPECT_NEAR(outcome.valid_loss(), since.figure(), 1e-5) << "here the gate's metric is what is fitted";

  // Bit for bit the fit of a run that makes no other, and the same evidence.
  const v1::Outcome alone = finish(since_change("late-2"));
  EXPECT_EQ(alone.candidates_size(), 0);
  EXPECT_EQ(alone.parameters_sha256(), outcome.parameters_sha256());
  EXPECT_EQ(alone.evaluation().SerializeAsString(), outcome.evaluation().SerializeAsString());

  v1::Lineage made;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(lineage(outcome), &made).ok());
  EXPECT_EQ(made.candidate(), 1u);
  EXPECT_EQ(made.candidates_size(), 3);
  EXPECT_EQ(made.candidates(1).train_seconds(), 0) << "the same plan gives the same version";
  EXPECT_EQ(made.windows().train_from_us(), since.train_from_us());
}

TEST_F(Candidates, AreChosenByTheGatesMetric) {
  auto several = plan("late-1");
  several.mutable_spec()->mutable_gate()->set_metric(v1::Gate::AUROC);
  const v1::Outcome outcome = finish(several);
  double best = 0;
  for (const v1::CandidateFit& fit : outcome.candidates()) best = std::max(best, fit.figure());
  for (const v1::CandidateFit& fit : outcome.candidates()) EXPECT_EQ(fit.chosen(), fit.figure() == best);
  EXPECT_GT(best, 0.5);
}

TEST_F(Candidates, LeftAfterEachStepEndWithTheSameBitsAndTheSameChoice) {
  const v1::Outcome whole = finish(plan("late-1", 1));
  auto broken = plan("late-2", 1);
  broken.set_leave_by_us(1);
  uint32_t attempts = 0;
  uint64_t steps = 0;
  std::string message;
  while (attempt(broken) == 75) {
    const v1::Outcome left = run_.outcome(broken);
    EXPECT_EQ(left.kind(), v1::Outcome::YIELDED);
    EXPECT_EQ(left.resumed_from_step(), steps) << "it goes on where it left";
    EXPECT_EQ(left.steps(), steps + 1) << "and came forward";
    steps = left.steps();
    message = left.message();
    broken.set_attempt(broken.attempt() + 1);
    ASSERT_LT(++attempts, 100u);
  }
  EXPECT_GT(attempts, 10u);
  EXPECT_THAT(message, HasSubstr("of candidate 2"));
  const v1::Outcome outcome = run_.outcome(broken);
  EXPECT_EQ(outcome.kind(), v1::Outcome::FINISHED);
  EXPECT_EQ(told(outcome), told(whole));
  EXPECT_EQ(outcome.parameters_sha256(), whole.parameters_sha256());
  EXPECT_EQ(outcome.evaluation().SerializeAsString(), whole.evaluation().SerializeAsString());
  EXPECT_EQ(outcome.steps(), whole.steps());
}

TEST_F(Candidates, ThatCannotBeFittedArePassedOver) {
  auto several = plan("late-1");
  several.mutable_windows()->set_candidates_from_us(0, several.windows().valid_from_us());
  const v1::Outcome outcome = finish(several);
  EXPECT_THAT(outcome.candidates(1).passed_over(), HasSubstr("no labelled rows to train on"));
  EXPECT_FALSE(outcome.candidates(1).chosen());
  EXPECT_TRUE(outcome.candidates(0).chosen() || outcome.candidates(2).chosen());

  // A guard of the second fit: steps are counted over all.
  auto poisoned = plan("late-2");
  poisoned.set_fault("nan step=" + std::to_string(outcome.candidates(0).steps() + 1));
  const v1::Outcome guarded = finish(poisoned);
  EXPECT_THAT(guarded.candidates(1).passed_over(), StartsWith("the loss is not finite at step 1"));
  EXPECT_EQ(guarded.candidates(1).steps(), 1u) << "what was done is charged";
  EXPECT_EQ(guarded.candidates(0).parameters_sha256(), outcome.candidates(0).parameters_sha256());
}

TEST_F(Candidates, OfWhichNoneCanBeFittedRefuseTheRun) {
  auto several = plan("late-1");
  several.set_fault("nan");
  EXPECT_EQ(attempt(several), 78);
  const v1::Outcome outcome = run_.outcome(several);
  EXPECT_EQ(outcome.kind(), v1::Outcome::SPEC_REFUSED);
  EXPECT_THAT(outcome.message(), StartsWith("none of 3 fits could be made; train as it stands: the loss is"));
  EXPECT_EQ(outcome.candidates_size(), 3);
  EXPECT_TRUE(outcome.manifest().empty());
}

TEST_F(Candidates, ThatComeToTheSameFitAreMadeOnce) {
  auto several = plan("late-1", 1);
  v1::Train& train = *several.mutable_spec()->mutable_train();
  // No change is known, and there is no champion to begin with.
  several.mutable_windows()->set_candidates_from_us(0, run_.first_us);
  train.mutable_candidates(1)->Clear();
  train.mutable_candidates(1)->mutable_start()->mutable_champion();
  const auto fits = fits_of(several);
  ASSERT_EQ(fits.size(), 3u);
  EXPECT_FALSE(fits[0].same_as);
  EXPECT_EQ(fits[1].same_as, 0u);
  EXPECT_EQ(fits[2].same_as, 0u);
  const v1::Outcome outcome = finish(several);
  EXPECT_TRUE(outcome.candidates(0).chosen());
  EXPECT_EQ(outcome.steps(), outcome.candidates(0).steps());
  EXPECT_EQ(outcome.candidates(2).passed_over(), "it comes to the same fit as train as it stands");

  several.mutable_candidate_starts(1)->set_manifest(std::string(64, 'a'));
  EXPECT_FALSE(fits_of(several)[2].same_as) << "another beginning";
}

TEST_F(Candidates, ReportWhichFitIsUnderWay) {
  const auto several = plan("late-1");
  const v1::Outcome outcome = finish(several);
  std::vector<uint32_t> fits;
  uint64_t step = 0;
  for (const auto& report : run_.reports(several, 0)) {
    if (report.has_progress()) {
      EXPECT_EQ(report.progress().fits(), 3u);
      EXPECT_LE(report.progress().step(), report.progress().steps()) << "its own steps";
      if (fits.empty() || fits.back() != report.progress().fit()) fits.push_back(report.progress().fit());
    }
    if (report.metric().name() != "valid_loss") continue;
    EXPECT_GT(report.metric().step(), step) << "one series over all fits";
    step = report.metric().step();
  }
  EXPECT_THAT(fits, ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(step, outcome.steps());
}

// SIGKILL of a rank in each of the fits and between them, with real processes.
TEST_F(Candidates, KilledAnywhereEndWithTheSameBits) {
  if (std::getenv("REKINDLE_FULL") == nullptr) GTEST_SKIP() << "many processes: in the nightly suite";
  auto whole = plan("late-1");
  whole.set_world(2);
  ASSERT_EQ(run_.run(whole).code, 0);
  const v1::Outcome expected = run_.outcome(whole);
  const uint64_t first = expected.candidates(0).steps(), second = first + expected.candidates(1).steps();
  int run = 2;
  for (const uint64_t step : {first / 2, first, first + 2, second, second + 3}) {
    SCOPED_TRACE(step);
    auto broken = plan("late-" + std::to_string(run++));
    broken.set_world(2);
    broken.set_fault("kill rank=1 step=" + std::to_string(step));
    EXPECT_NE(run_.run(broken).code, 0);
    broken.set_attempt(2);
    const auto ended = run_.run(broken);
    ASSERT_EQ(ended.code, 0) << ended.log;
    EXPECT_EQ(told(run_.outcome(broken)), told(expected));
    EXPECT_EQ(run_.outcome(broken).parameters_sha256(), expected.parameters_sha256());
  }
}

}  // namespace
}  // namespace rekindle::trainer
