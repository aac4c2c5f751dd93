// Runs that make several fits: their rows, where each begins, and what their verdict tells.
#include "core/plan.h"
#include "core/windows.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::HasSubstr;

TEST(Candidates, ShareTheirValidationAndTheirHoldout) {
  Driver d;
  v1::JobSpec spec = spec_of("flight-delay");
  d.run(AddSnapshot{january(), false});
  d.run(Apply{apply_of(spec)});
  for (int day = 1; day <= 28; ++day) d.run(AddSnapshot{settled_day("flight-delay", 2, day), true});
  const int64_t as_of = day_us(3, 2) + kHourUs, changed = as_of - 20 * kDayUs;
  const auto alone = training_rows(d.state, spec, as_of, changed);
  ASSERT_TRUE(alone.ok());
  v1::Train& train = *spec.mutable_train();
  v1::SinceDrift& since = *train.add_candidates()->mutable_rows()->mutable_since_drift();
  *since.mutable_at_least() = to_proto(Seconds(14 * 86400));
  *since.mutable_at_most() = to_proto(Seconds(40 * 86400));
  train.add_candidates()->mutable_start()->mutable_champion();
  const auto found = training_rows(d.state, spec, as_of, changed);
  ASSERT_TRUE(found.ok()) << found.status().message();
  const v1::Windows& windows = found->windows;
  EXPECT_EQ(windows.train_from_us(), alone->windows.train_from_us());
  ASSERT_EQ(windows.candidates_from_us_size(), 2);
  EXPECT_EQ(windows.candidates_from_us(0), changed);
  EXPECT_EQ(windows.candidates_from_us(1), windows.train_from_us()) << "its rows are train's own";
  EXPECT_EQ(windows.holdout_from_us(), alone->windows.holdout_from_us());
  EXPECT_EQ(windows.until_us(), alone->windows.until_us());
  // A tenth of what the shortest has: longer ones are not fitted on what it is compared by.
  EXPECT_NEAR(static_cast<double>(windows.holdout_from_us() - windows.valid_from_us()),
              static_cast<double>(windows.holdout_from_us() - changed) * train.validation(), 1);
  EXPECT_EQ(found->data.size(), alone->data.size()) << "the longest needs all of them";

  *train.mutable_candidates(0)->mutable_rows()->mutable_last() = to_proto(Seconds(8 * 86400));
  EXPECT_EQ(training_rows(d.state, spec, as_of, 0).status().code(), Code::kFailedPrecondition)
      << "nothing is left of it before the holdout";
}

TEST(Candidates, BeginWhereThePlanSays) {
  Driver d;
  d.add_job();
  v1::Run run = d.run_of(d.start());
  v1::Train& train = *run.mutable_spec()->mutable_train();
  train.mutable_start()->mutable_champion();
  train.add_candidates()->mutable_start()->mutable_scratch();
  train.add_candidates()->mutable_rows()->mutable_last()->set_seconds(30 * 86400);
  d.trains(run.id(), evaluation_of(.5, 0));
  run.set_champion(1);
  const v1::Plan plan = plan_of(d.state, run, 1);
  ASSERT_EQ(plan.candidate_starts_size(), 2);
  EXPECT_EQ(plan.candidate_starts(0).version(), 0u);
  EXPECT_TRUE(plan.candidate_starts(0).manifest().empty());
  EXPECT_EQ(plan.candidate_starts(1).version(), 1u) << "as train says";
  EXPECT_EQ(plan.candidate_starts(1).manifest(), plan.start_manifest());
}

TEST(Candidates, AreToldInTheVerdict) {
  Driver d;
  d.add_job();
  const std::string id = d.start();
  d.gang_starts(id);
  v1::Outcome outcome = finished(id, evaluation_of(.5, 0));
  for (const double figure : {0.52, 0.49}) {
    v1::CandidateFit& fit = *outcome.add_candidates();
    fit.set_figure(figure);
    fit.set_number(static_cast<uint32_t>(outcome.candidates_size()) - 1);
    fit.set_chosen(figure < 0.5);
    fit.set_valid_rows(700);
  }
  d.ends(id, v1::END_FINISHED, outcome);
  d.verified(id);
  const v1::Verdict& verdict = d.run_of(id).verdict();
  EXPECT_EQ(verdict.kind(), v1::Verdict::PASS);
  EXPECT_THAT(verdict.reason(), HasSubstr("candidate 1 was chosen of 2 fits by log-loss 0.4900"));
  EXPECT_EQ(verdict.checks().rbegin()->result(), v1::GateCheck::NOT_JUDGED);
}

}  // namespace
}  // namespace rekindle::core::testing
