#include <gmock/gmock.h>

#include "launch/gang/gang.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

using testing::Contains;
using testing::HasSubstr;

const GangOptions kOptions{
    .folder = "/state/runs/a-1/1", .trainer = "/bin/rekindle-trainer", .self = "/bin/rekindle-gang"};

TEST(Commands, OneRankNeedsNoMpirun) {
  EXPECT_EQ(rank_command(kOptions),
            (std::vector<std::string>{"/bin/rekindle-trainer", "--folder", "/state/runs/a-1/1"}));
}

TEST(Commands, MpirunPutsTheSupervisorBeforeEachRank) {
  std::string line;
  for (const std::string& word : mpirun_command(kOptions, 3, "/dev/shm/rekindle-x")) line += word + " ";
  EXPECT_THAT(line, testing::StartsWith("mpirun -n 3 --bind-to none --oversubscribe "));
  for (const char* part : {"--mca mpi_yield_when_idle 1 ", "--mca pml ob1 ", "--mca btl vader,self ",
                           "--mca orte_tmpdir_base /dev/shm/rekindle-x ",
                           "--mca btl_vader_backing_directory /dev/shm/rekindle-x "})
    EXPECT_THAT(line, HasSubstr(part));
  EXPECT_THAT(line,
              testing::EndsWith(
                  "/bin/rekindle-gang rank --folder /state/runs/a-1/1 --trainer /bin/rekindle-trainer "));
}

TEST(Commands, UnderSlurmEveryRankIsStartedBySrun) {
  GangOptions options = kOptions;
  options.srun = "pmix";
  v1::Plan plan;
  plan.set_world(1);
  plan.set_threads_per_rank(4);
  const StartOfRanks one = start_of_ranks(options, plan, "", {"the rank itself"});
  EXPECT_FALSE(one.alone);
  std::string line;
  for (const std::string& word : one.argv) line += word + " ";
  EXPECT_THAT(line,
              testing::StartsWith("srun --ntasks=1 --cpus-per-task=4 --mpi=pmix --kill-on-bad-exit=1 "));
  EXPECT_THAT(line,
              testing::EndsWith(
                  "/bin/rekindle-gang rank --folder /state/runs/a-1/1 --trainer /bin/rekindle-trainer "));
  ::setenv("SLURM_JOB_NUM_NODES", "1", 1);
  EXPECT_THAT(rank_environment(options, plan, ""),
              testing::AllOf(Contains("SLURM_JOB_NUM_NODES=1"), Contains("OMPI_MCA_btl=vader,self")));
  ::setenv("SLURM_JOB_NUM_NODES", "2", 1);
  EXPECT_THAT(rank_environment(options, plan, ""), testing::Not(Contains("OMPI_MCA_btl=vader,self")))
      << "shared memory does not reach another node";
  ::unsetenv("SLURM_JOB_NUM_NODES");
}

TEST(Commands, EnvironmentHoldsOnlyWhatIsNeeded) {
  ::setenv("LD_PRELOAD_CANARY", "x", 1);
  ::setenv("REKINDLE_TOKEN", "secret", 1);
  v1::Plan plan;
  plan.set_world(2);
  plan.set_threads_per_rank(4);
  const std::vector<std::string> environment = rank_environment(kOptions, plan, "/dev/shm/rekindle-x");
  EXPECT_THAT(environment, Contains("OMP_NUM_THREADS=4"));
  EXPECT_THAT(environment, Contains("OMPI_ALLOW_RUN_AS_ROOT=1"));
  EXPECT_THAT(environment, Contains("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"));
  EXPECT_THAT(environment, Contains("REKINDLE_ATTEMPT=/state/runs/a-1/1"));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("CANARY"))));
  EXPECT_THAT(environment, Not(Contains(HasSubstr("secret"))));
  ::unsetenv("LD_PRELOAD_CANARY");
  ::unsetenv("REKINDLE_TOKEN");
}

TEST(Process, StartTicksTellAReusedPid) {
  const std::optional<uint64_t> own = start_ticks(::getpid());
  ASSERT_TRUE(own.has_value());
  EXPECT_TRUE(signal_process(::getpid(), own, 0));
  EXPECT_FALSE(signal_process(::getpid(), *own + 1, SIGKILL));
  EXPECT_FALSE(signal_process(::getpid(), std::nullopt, SIGKILL));
  EXPECT_FALSE(signal_process(1, start_ticks(1), 0));
}

TEST(Process, SpawnTellsWhyAProgramCannotRun) {
  const Status status = spawn(SpawnOptions{.argv = {"/etc/passwd"}}).status();
  EXPECT_EQ(status.code(), Code::kPermissionDenied);
  EXPECT_EQ(spawn(SpawnOptions{.argv = {"/no/such"}, .new_session = true}).status().code(), Code::kNotFound);
  EXPECT_EQ(spawn(SpawnOptions{.argv = {"rekindle-no-such-program"}}).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace rekindle::launch
