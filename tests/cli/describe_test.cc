#include "cli/describe.h"

#include <gmock/gmock.h>

#include "cli/exit_codes.h"

namespace rekindle::cli {
namespace {

using ::testing::HasSubstr;

v1::Run finished_run() {
  v1::Run run;
  run.set_id("m-1");
  run.set_job("m");
  run.set_state(v1::REJECTED);
  run.set_cause(v1::CAUSE_DRIFT);
  run.set_cause_detail("psi of temp is 0.4");
  run.set_queued_us(1'000'000);
  run.set_ended_us(8'500'000);
  run.set_reason("no gain over the champion");
  v1::Attempt& attempt = *run.add_attempts();
  attempt.set_number(1);
  attempt.set_slots(2);
  attempt.set_placed_us(2'000'000);
  attempt.set_end(v1::END_NODE_LOST);
  attempt.set_ended_us(3'000'000);
  attempt.set_message("its supervisor is gone");
  return run;
}

TEST(Describe, RunWithItsTimeline) {
  v1::RunUpdate update;
  *update.mutable_run() = finished_run();
  const std::string text = describe_run(update);
  EXPECT_THAT(text, HasSubstr("1970-01-01T00:00:01Z  queued: drift, psi of temp is 0.4\n"));
  EXPECT_THAT(text, HasSubstr("1970-01-01T00:00:02Z  attempt 1: placed on 2 ranks\n"));
  EXPECT_THAT(text, HasSubstr("attempt 1: node lost: its supervisor is gone\n"));
  EXPECT_THAT(text, HasSubstr("rejected: no gain over the champion"));
  EXPECT_LT(text.find("placed"), text.find("node lost"));
}

TEST(Describe, AVerdictWithItsChecks) {
  v1::RunUpdate update;
  *update.mutable_run() = finished_run();
  v1::Verdict& verdict = *update.mutable_run()->mutable_verdict();
  verdict.set_kind(v1::Verdict::REJECT);
  verdict.set_reason("calibration error 0.0625, limit 0.0500");
  verdict.add_checks()->set_result(v1::GateCheck::PASSED);
  verdict.mutable_checks(0)->set_text("gain +0.0300");
  EXPECT_THAT(describe_run(update), ::testing::Not(HasSubstr("gain +0.0300")))
      << "a lone check is the reason";
  verdict.add_checks()->set_result(v1::GateCheck::NOT_JUDGED);
  verdict.mutable_checks(1)->set_text("slice origin=LGA has 199 rows, too few to judge");
  verdict.set_detectable_gain(0.012);
  const std::string text = describe_run(update);
  EXPECT_THAT(text, HasSubstr("gate        reject: calibration error 0.0625, limit 0.0500\n"
                              "            passed      gain +0.0300\n"
                              "            not judged  slice origin=LGA has 199 rows, too few to judge\n"
                              "            so many rows show a gain of 0.0120 four times in five\n"));
}

TEST(Describe, AGangThatGrows) {
  v1::RunUpdate update;
  v1::Run& run = *update.mutable_run();
  run.set_id("m-1");
  run.set_state(v1::RUNNING);
  run.set_queued_us(1'000'000);
  v1::Attempt& small = *run.add_attempts();
  small.set_number(1);
  small.set_state(v1::Attempt::ENDED);
  small.set_world(1);
  small.add_devices(3);
  small.set_placed_us(2'000'000);
  small.set_yield_requested_us(3'000'000);
  small.set_resize_requested(true);
  small.set_end(v1::END_YIELDED);
  small.set_until_step(40);
  small.set_ended_us(4'000'000);
  small.set_message("grows from 1 to 2 ranks");
  v1::Attempt& large = *run.add_attempts();
  large.set_number(2);
  large.set_state(v1::Attempt::STARTED);
  large.set_world(2);
  large.set_placed_us(4'000'000);
  update.mutable_progress()->set_step(44);
  update.set_note("rank 1 is slow");
  const std::string text = describe_run(update);
  for (const char* line :
       {"attempt 1: placed on 1 rank, GPU 3\n", "attempt 1: asked to leave so as to grow\n",
        "attempt 1: yielded at step 40: grows from 1 to 2 ranks\n",
        "attempt 2: placed on 2 ranks, 1 before\n", "note        rank 1 is slow\n",
        "now         step 44  loss"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_EQ(attempt_text(run), "attempt 2 on 2 ranks");
  google::protobuf::RepeatedPtrField<v1::Run> runs;
  *runs.Add() = run;
  EXPECT_THAT(runs_table(runs), HasSubstr("2 (2 sizes)"));
}

TEST(Describe, TheFitsThatARunChoseFrom) {
  v1::RunUpdate update;
  v1::Run& run = *update.mutable_run();
  run = finished_run();
  v1::Train& train = *run.mutable_spec()->mutable_train();
  train.add_candidates()->mutable_start()->mutable_champion();
  train.add_candidates()->mutable_rows()->mutable_last()->set_seconds(90 * 86400);
  for (const double figure : {0.5, 0.4, 0.0}) {
    v1::CandidateFit& fit = *run.mutable_outcome()->add_candidates();
    fit.set_number(static_cast<uint32_t>(run.outcome().candidates_size()) - 1);
    fit.set_figure(figure);
    fit.set_train_rows(1200);
    fit.set_train_from_us(86'400'000'000);
    fit.set_steps(40);
    fit.set_train_seconds(1.25);
  }
  run.mutable_outcome()->mutable_candidates(1)->set_chosen(true);
  run.mutable_outcome()->mutable_candidates(2)->set_passed_over("no labelled rows to train on");
  EXPECT_THAT(
      describe_run(update),
      HasSubstr(
          "candidates    train as it stands: 0.5000, 1200 rows from 1970-01-02T00:00:00Z, 40 steps in 1.2 s\n"
          "            * candidate 1 {start: champion}: 0.4000, 1200 rows from 1970-01-02T00:00:00Z, 40 "
          "steps in 1.2 s\n"
          "              candidate 2 {rows: {last: 90d}}: passed over, no labelled rows to train on\n"));
}

TEST(Describe, ProgressSaysWhatIsKnown) {
  v1::Progress progress;
  progress.set_step(12);
  progress.set_loss(0.5);
  EXPECT_EQ(progress_text(progress), "step 12  loss 0.5000");
  progress.set_fit(2);
  progress.set_fits(3);
  EXPECT_EQ(progress_text(progress), "fit 2/3  step 12  loss 0.5000");
  progress.clear_fits();
  progress.set_epoch(2);
  progress.set_epochs(10);
  progress.set_steps(1700);
  progress.set_rows_per_second(41200);
  progress.set_eta_seconds(3725);
  progress.set_rate(0.00125);
  progress.set_gradient_norm(1.75);
  progress.set_memory_bytes(412'000'000);
  progress.set_stall_seconds(0.0125);
  EXPECT_EQ(
      progress_text(progress),
      "epoch 2/10  step 12/1700  loss 0.5000  41200 rows/s  ends in 1h02m  rate 0.00125  gradient 1.75  "
      "412 MB  checkpoints 12ms");
}

TEST(Describe, TablesAlign) {
  google::protobuf::RepeatedPtrField<v1::Run> runs;
  EXPECT_EQ(runs_table(runs), "");
  *runs.Add() = finished_run();
  const std::string text = runs_table(runs);
  EXPECT_THAT(text, HasSubstr("m-1  rejected  drift"));
  EXPECT_THAT(text, HasSubstr("7.5s"));
}

TEST(Describe, JsonHasEveryField) {
  const std::string text = json_of(v1::Run());
  for (const char* field : {"\"id\"", "\"cancelRequested\": false", "\"attempts\": []", "\"state\""})
    EXPECT_THAT(text, HasSubstr(field));
}

TEST(ExitCodes, OfStatuses) {
  EXPECT_EQ(exit_code_of(ok_status()), 0);
  EXPECT_EQ(exit_code_of(internal_error("x")), 1);
  EXPECT_EQ(exit_code_of(invalid_argument("x")), 2);
  EXPECT_EQ(exit_code_of(not_found("x")), 3);
  EXPECT_EQ(exit_code_of(already_exists("x")), 4);
  EXPECT_EQ(exit_code_of(failed_precondition("x")), 4);
  EXPECT_EQ(exit_code_of(unavailable("x")), 5);
  EXPECT_EQ(exit_code_of(deadline_exceeded("x")), 6);
  EXPECT_EQ(exit_code_of(permission_denied("x")), 7);
  EXPECT_EQ(exit_code_of(unauthenticated("x")), 7);
}

TEST(ExitCodes, OfRuns) {
  EXPECT_EQ(exit_code_of(v1::PUBLISHED), 0);
  EXPECT_EQ(exit_code_of(v1::COMPLETED), 0);
  EXPECT_EQ(exit_code_of(v1::REJECTED), 10);
  EXPECT_EQ(exit_code_of(v1::FAILED_RUN), 11);
  EXPECT_EQ(exit_code_of(v1::CANCELLED), 12);
  EXPECT_EQ(exit_code_of(v1::HELD), 13);
  EXPECT_FALSE(is_terminal(v1::HELD));
  EXPECT_TRUE(is_terminal(v1::COMPLETED));
}

}  // namespace
}  // namespace rekindle::cli
