// What Slurm's commands say, in old and new dialects, and what it is taken for; and what they are told.
#include <gmock/gmock.h>

#include "launch/slurm/answers.h"
#include "launch/slurm/commands.h"
#include "proto/time.h"

namespace rekindle::launch::slurm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(SlurmAnswers, ListingsAreReadByWholeLines) {
  const std::vector<Job> jobs = parse_listing(
      "slurm_load_jobs: warning\n"
      "7|RUNNING|None|n[1-2]|rekindle:a-1/1:aa\n"
      "  8|PENDING|(Resources)||rekindle:a-2/1:bb  \r\n"
      "12_3|RUNNING|None|n1|(null)\n"          // an array of somebody's
      "9|running|None|n1|rekindle:a-3/1:cc\n"  // not how states are written
      "10|RUNNING|None|n1|x|y\n"
      "11|COMPL");
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0].number, 7u);
  EXPECT_EQ(jobs[0].nodes, "n[1-2]");
  EXPECT_EQ(jobs[1].comment, "rekindle:a-2/1:bb");
}

TEST(SlurmAnswers, ASubmissionIsANumberOnALineOfItsOwn) {
  EXPECT_EQ(parse_submission("123\n"), 123u);
  EXPECT_EQ(parse_submission("sbatch: warning: can't honour --x 9\n45;cluster\n"), 45u);
  EXPECT_EQ(parse_submission("Submitted batch job 12\n"), std::nullopt);
  EXPECT_EQ(parse_submission("0\n"), std::nullopt);
  EXPECT_EQ(parse_submission(""), std::nullopt);
}

TEST(SlurmAnswers, DetailsAndAccounts) {
  EXPECT_EQ(parse_details("JobId=2 JobName=x JobState=NODE_FAIL Reason=None\n"), "NODE_FAIL");
  EXPECT_EQ(parse_details("slurm_load_jobs error: Invalid job id specified\n"), "");
  EXPECT_EQ(parse_details("JobState=weird"), "");
  EXPECT_EQ(parse_accounting("CANCELLED by 1000\n"), "CANCELLED by 1000");
  EXPECT_EQ(parse_accounting("CANCELLED by 0\n"), "CANCELLED by 0");
  EXPECT_EQ(parse_accounting("CANCELLED by \x1b[31m\n"), "CANCELLED");
  EXPECT_EQ(parse_accounting("CANCELLED+\n"), "CANCELLED");
  EXPECT_EQ(parse_accounting("TIMEOUT\n"), "TIMEOUT");
  EXPECT_EQ(parse_accounting("Slurm accounting storage is disabled\n"), "");
}

TEST(SlurmAnswers, EveryStateHasItsStage) {
  for (const char* state : {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD"})
    EXPECT_EQ(stage_of(state), Stage::kWaiting) << state;
  for (const char* state : {"RUNNING", "SUSPENDED", "COMPLETING", "SIGNALING", "STAGE_OUT"})
    EXPECT_EQ(stage_of(state), Stage::kAlive) << state;
  for (const char* state : {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED by 0", "CANCELLED+", "NODE_FAIL",
                            "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED"})
    EXPECT_EQ(stage_of(state), Stage::kOver) << state;
  for (const char* state : {"", "SPECIAL_EXIT_OF_2031", "COMPLETE"})
    EXPECT_EQ(stage_of(state), Stage::kUnknown) << state;
}

TEST(SlurmAnswers, EndsAreRetriedOrNotByWhatHappened) {
  const auto end = [](const char* state, bool gang) {
    return verdict_of(Job{3, state, "", "n1", ""}, gang).end;
  };
  EXPECT_EQ(end("NODE_FAIL", true), v1::END_NODE_LOST);
  EXPECT_EQ(end("BOOT_FAIL", false), v1::END_LAUNCH_FAILED);
  EXPECT_EQ(end("PREEMPTED", true), v1::END_PREEMPTED);
  EXPECT_EQ(end("TIMEOUT", true), v1::END_HANG);
  EXPECT_EQ(end("OUT_OF_MEMORY", true), v1::END_OUT_OF_MEMORY);
  EXPECT_EQ(end("CANCELLED by 1000", true), v1::END_CANCELLED);
  EXPECT_EQ(end("FAILED", true), v1::END_NODE_LOST);
  EXPECT_EQ(end("FAILED", false), v1::END_LAUNCH_FAILED);
  EXPECT_EQ(verdict_of(Job{3, "CANCELLED by 1000", "", "n1", ""}, true).message,
            "cancelled in Slurm by uid 1000 (job 3)");
  EXPECT_EQ(verdict_of(Job{3, "CANCELLED", "", "n1", ""}, true).message, "cancelled in Slurm (job 3)");
  for (const char* state :
       {"TIMEOUT", "CANCELLED by 0", "NODE_FAIL", "PREEMPTED", "DEADLINE", "OUT_OF_MEMORY"})
    EXPECT_TRUE(ended_by_slurm(state)) << state;
  for (const char* state : {"COMPLETED", "FAILED", "BOOT_FAIL", "RUNNING", "PENDING", ""})
    EXPECT_FALSE(ended_by_slurm(state)) << state;
  EXPECT_THAT(verdict_of(Job{3, "FAILED", "", "n1", ""}, false).message, HasSubstr("never began on n1"));
}

TEST(SlurmAnswers, ReasonsSayWaitFixOrNever) {
  for (const char* reason : {"Resources", "Priority", "QOSMaxJobsPerUserLimit", "AssocGrpGRES",
                             "ReqNodeNotAvail, UnavailableNodes:n1", "SomethingOf2031", ""})
    EXPECT_EQ(outlook_of(reason), Outlook::kWait) << reason;
  for (const char* reason : {"PartitionDown", "JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue"})
    EXPECT_EQ(outlook_of(reason), Outlook::kFix) << reason;
  for (const char* reason : {"PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidQOS",
                             "QOSMaxWallDurationPerJobLimit"}) {
    EXPECT_EQ(outlook_of(reason), Outlook::kNever) << reason;
    EXPECT_NE(advice_on(reason), "") << reason;
  }
}

TEST(SlurmAnswers, OnlySlurmctldsOwnNoIsARefusal) {
  const auto kind = [](std::string_view text) { return refusal_of(text).kind; };
  EXPECT_EQ(kind("sbatch: error: invalid partition specified: nope\n"
                 "sbatch: error: Batch job submission failed: Invalid partition name specified\n"),
            Refusal::kFinal);
  EXPECT_EQ(kind("sbatch: error: Invalid generic resource (gres) specification\n"), Refusal::kFinal);
  EXPECT_EQ(kind("sbatch: error: Batch job submission failed: Slurm temporarily unable to accept job, "
                 "sleeping and retrying\n"),
            Refusal::kLater);
  EXPECT_EQ(kind("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"),
            Refusal::kUnclear);
  EXPECT_EQ(kind("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect "
                 "failure)\n"),
            Refusal::kUnclear);
  EXPECT_EQ(kind("Segmentation fault\n"), Refusal::kUnclear);
  EXPECT_EQ(kind(""), Refusal::kUnclear);
}

v1::Plan plan() {
  v1::Plan out;
  out.set_task(v1::Plan::TRAIN);
  out.set_run("a-1");
  out.set_attempt(2);
  out.set_world(4);
  out.set_start_nonce("abcd");
  *out.mutable_spec()->mutable_train()->mutable_limits()->mutable_cancel_grace() = to_proto(Seconds(30));
  return out;
}

std::vector<std::string> command(const v1::SlurmPool& pool, const v1::Plan& plan) {
  return submit_command({.pool = pool,
                         .plan = plan,
                         .folder = "/shared/runs/a-1/2",
                         .script = "/shared/runs/a-1/2/attempt.sbatch",
                         .gang = "/opt/rekindle/bin/rekindle-gang",
                         .trainer = "/opt/rekindle/bin/rekindle-trainer"});
}

TEST(SlurmCommands, EveryValueIsOneArgument) {
  v1::SlurmPool pool;
  pool.set_cpus(2);
  pool.set_mpi("pmix");
  pool.set_partition("gpu");
  pool.set_constraint("a100&nvlink");
  pool.set_gpu("a100");
  pool.set_nodes(8);
  pool.set_memory(6ull << 30);
  *pool.mutable_time() = to_proto(std::chrono::hours(4));
  *pool.mutable_notice() = to_proto(Seconds(120));
  v1::Plan asked = plan();
  asked.set_gpus_per_rank(1);
  const std::vector<std::string> argv = command(pool, asked);
  for (const char* word :
       {"--comment=rekindle:a-1/2:abcd", "--ntasks=4", "--cpus-per-task=2", "--gpus-per-task=a100:1",
        "--constraint=a100&nvlink", "--partition=gpu", "--nodes=1-4", "--mem-per-cpu=3072M", "--time=240",
        "--signal=B:USR1@120", "--no-requeue", "--output=/shared/runs/a-1/2/log-gang.txt"})
    EXPECT_THAT(argv, Contains(word));
  const auto script = std::find(argv.begin(), argv.end(), "/shared/runs/a-1/2/attempt.sbatch");
  EXPECT_EQ((std::vector<std::string>(script, argv.end())),
            (std::vector<std::string>{"/shared/runs/a-1/2/attempt.sbatch", "/opt/rekindle/bin/rekindle-gang",
                                      "--folder", "/shared/runs/a-1/2", "--trainer",
                                      "/opt/rekindle/bin/rekindle-trainer", "--stop-grace-ms", "30000",
                                      "--srun", "pmix"}));
}

// One text for all attempts: no directive of it can come from a user.
TEST(SlurmCommands, TheScriptHasNoDirectivesAndNoText) {
  EXPECT_THAT(std::string(kTemplate), Not(HasSubstr("#SBATCH")));
  EXPECT_THAT(std::string(kTemplate), testing::EndsWith("exec \"$@\"\n"));
}

TEST(SlurmCommands, TheShorterLimitHoldsAndHalfOfItIsLeftForWork) {
  v1::SlurmPool pool;
  *pool.mutable_notice() = to_proto(Seconds(120));
  v1::Plan asked = plan();
  EXPECT_EQ(time_limit(pool, asked).limit, Micros(0));
  EXPECT_THAT(command(pool, asked), Not(Contains(HasSubstr("--time"))));
  *asked.mutable_spec()->mutable_train()->mutable_limits()->mutable_attempt() = to_proto(Seconds(90));
  EXPECT_EQ(time_limit(pool, asked).limit, std::chrono::minutes(2)) << "Slurm counts in minutes";
  EXPECT_EQ(time_limit(pool, asked).notice, std::chrono::minutes(1));
  *pool.mutable_time() = to_proto(Seconds(60));
  EXPECT_EQ(time_limit(pool, asked).limit, std::chrono::minutes(1));
}

TEST(SlurmCommands, NothingOfTheCoordinatorsOwnJobIsInherited) {
  ::setenv("SBATCH_PARTITION", "evil", 1);
  ::setenv("SLURM_JOB_ID", "1", 1);
  v1::SlurmPool pool;
  pool.set_config("/etc/slurm/other.conf");
  pool.set_commands("/opt/slurm/bin");
  const std::vector<std::string> environment = command_environment(pool);
  EXPECT_THAT(environment, Contains("SLURM_CONF=/etc/slurm/other.conf"));
  EXPECT_THAT(environment, Contains(testing::StartsWith("PATH=/opt/slurm/bin:")));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("evil"))));
  EXPECT_THAT(environment, Not(Contains(testing::StartsWith("SLURM_JOB_ID"))));
}

}  // namespace
}  // namespace rekindle::launch::slurm
