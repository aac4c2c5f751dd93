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
  const std::string text = describe_run(finished_run());
  EXPECT_THAT(text, HasSubstr("1970-01-01T00:00:01Z  queued: drift, psi of temp is 0.4\n"));
  EXPECT_THAT(text, HasSubstr("1970-01-01T00:00:02Z  attempt 1: placed on 2 slots\n"));
  EXPECT_THAT(text, HasSubstr("attempt 1: node lost: its supervisor is gone\n"));
  EXPECT_THAT(text, HasSubstr("rejected: no gain over the champion"));
  EXPECT_LT(text.find("placed"), text.find("node lost"));
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
