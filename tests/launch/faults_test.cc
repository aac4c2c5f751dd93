// Kill anything, at any level: nothing of the attempt is left, and what happened is on record.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "base/files/passing_files.h"
#include "launch/gang/gang.h"
#include "launch/gang_lock.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;

class Faults : public AttemptTest, public testing::WithParamInterface<int> {
 protected:
  int world() const { return GetParam(); }
  AttemptFolder started(const std::string& fault) {
    const AttemptFolder folder = attempt(fault, static_cast<uint32_t>(world()));
    EXPECT_TRUE(launcher_->start(folder).ok());
    EXPECT_TRUE(ranks_ready(folder, world())) << read_file(folder.gang_log()).value();
    return folder;
  }
  static v1::GangRecord gang(const AttemptFolder& folder) { return *folder.read_gang().value(); }
  static pid_t leader(const AttemptFolder& folder) {
    for (const ProcessInfo& info : all_processes()) {
      if (info.parent == gang(folder).pid()) return info.pid;
    }
    return 0;
  }
  v1::ExitRecord ended(const AttemptFolder& folder) {
    const v1::ExitRecord record = *wait_for(*launcher_, folder, GangState::kEnded).exit;
    expect_nothing_left(folder);
    return record;
  }
  static void expect_nothing_left(const AttemptFolder& folder) {
    EXPECT_TRUE(processes_of(folder).empty());
    const std::string scratch = gang(folder).scratch();
    EXPECT_TRUE(scratch.empty() || !fs::exists(scratch)) << scratch;
  }
  std::unique_ptr<Launcher> launcher_ = local();
};

TEST_P(Faults, RanksLeaveByThemselves) {
  const AttemptFolder folder = started("exit 0");
  EXPECT_EQ(ended(folder).code(), 0);
  for (int rank = 0; rank < world(); ++rank)
    EXPECT_EQ(read_file(folder.log(rank)).value(), "rank " + std::to_string(rank) + "\n");
}

TEST_P(Faults, ARefusalKeepsItsCode) {
  EXPECT_EQ(ended(started("exit 78")).code(), 78);
}

TEST_P(Faults, ARankIsKilled) {
  const AttemptFolder folder = started("wait");
  ::kill(rank_pid(folder, world() - 1), SIGKILL);
  const v1::ExitRecord record = ended(folder);
  EXPECT_TRUE(record.signal() == SIGKILL || record.code() == 128 + SIGKILL) << record.ShortDebugString();
}

TEST_P(Faults, TheLeaderIsKilled) {
  const AttemptFolder folder = started("wait");
  ::kill(leader(folder), SIGKILL);
  EXPECT_EQ(ended(folder).signal(), SIGKILL);
}

TEST_P(Faults, TheLeaderIsStoppedAndThenKilledByTheGrace) {
  const AttemptFolder folder = started("wait");
  const pid_t stopped = leader(folder);
  ::kill(stopped, SIGSTOP);
  ASSERT_TRUE(eventually([&] {
    for (const ProcessInfo& info : all_processes()) {
      if (info.pid == stopped) return info.state == 'T';
    }
    return false;
  }));
  ASSERT_TRUE(launcher_->signal(folder, Signal::kStop).ok());
  const v1::ExitRecord record = ended(folder);
  EXPECT_EQ(record.signal(), SIGKILL);
  EXPECT_THAT(record.note(), HasSubstr("after the grace"));
}

TEST_P(Faults, TheGangIsKilled) {
  const AttemptFolder folder = started("wait");
  ::kill(gang(folder).pid(), SIGKILL);
  const GangState state = wait_for(*launcher_, folder, GangState::kLost);
  EXPECT_THAT(state.detail, HasSubstr("is gone"));
  expect_nothing_left(folder);
}

TEST_P(Faults, TheGangIsKilledWhileTheRanksAreStopped) {
  const AttemptFolder folder = started("stubborn");
  for (const pid_t pid : processes_of(folder)) ::kill(pid, SIGSTOP);
  ::kill(gang(folder).pid(), SIGKILL);
  wait_for(*launcher_, folder, GangState::kLost);
  expect_nothing_left(folder);
}

TEST_P(Faults, StubbornRanksAndDetachedGrandchildrenAreEnded) {
  const AttemptFolder folder = started("stubborn");
  ASSERT_TRUE(launcher_->signal(folder, Signal::kStop).ok());
  EXPECT_THAT(ended(folder).note(), HasSubstr("stopped on request"));
}

TEST_P(Faults, WhatAFinishedRankLeftBehindIsEnded) {
  EXPECT_EQ(ended(started("orphan")).code(), 0);
}

TEST_P(Faults, KillAtOnceEvenWhenTheGangIsStopped) {
  const AttemptFolder folder = started("stubborn");
  ::kill(gang(folder).pid(), SIGSTOP);
  ASSERT_TRUE(launcher_->signal(folder, Signal::kKill).ok());
  EXPECT_THAT(ended(folder).note(), HasSubstr("killed on request"));
}

TEST_P(Faults, AYieldReachesEveryRank) {
  const AttemptFolder folder = started("wait");
  ASSERT_TRUE(launcher_->signal(folder, Signal::kYield).ok());
  EXPECT_EQ(ended(folder).code(), kExitYielded);
}

TEST_P(Faults, AnEarlyYieldWaitsUntilTheRanksAreReady) {
  const AttemptFolder folder = attempt("wait", static_cast<uint32_t>(world()));
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->signal(folder, Signal::kYield).ok(); }));
  EXPECT_EQ(ended(folder).code(), kExitYielded);
}

TEST_P(Faults, RanksGetACleanSlate) {
  ::setenv("REKINDLE_CANARY", "canary", 1);
  const Fd leaked(::dup(1));  // inherited by whoever does not close
  const AttemptFolder folder = started("describe");
  ended(folder);
  ::unsetenv("REKINDLE_CANARY");
  const std::string log = read_file(folder.log(0)).value();
  EXPECT_THAT(log, testing::Not(HasSubstr("canary")));
  EXPECT_THAT(log, HasSubstr("env OMP_NUM_THREADS=1\n"));
  EXPECT_THAT(log, HasSubstr("fd 0 /dev/null\n"));
  for (int fd = 3; fd < 100; ++fd)
    EXPECT_THAT(log, testing::Not(HasSubstr("\nfd " + std::to_string(fd) + " ")));
}

INSTANTIATE_TEST_SUITE_P(World, Faults, testing::Values(1, 2),
                         [](const auto& info) { return "Of" + std::to_string(info.param); });

class Gang : public AttemptTest {
 protected:
  // Runs rekindle-gang in the foreground; its exit code.
  static int run_gang_program(const AttemptFolder& folder) {
    const Result<pid_t> pid =
        spawn(SpawnOptions{.argv = {(bin_folder() / "rekindle-gang").string(), "--folder",
                                    folder.root().string(), "--trainer", test_rank().string()},
                           .environment = bare_environment(),
                           .output = folder.gang_log()});
    EXPECT_TRUE(pid.ok()) << pid.status().to_string();
    int status = 0;
    ::waitpid(*pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::unique_ptr<Launcher> launcher_ = local();
};

TEST_F(Gang, ASecondOneLeaves) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 1));
  EXPECT_EQ(run_gang_program(folder), kGangLocked);
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kAlive);
  finish(folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
  ASSERT_TRUE(eventually([&] { return !gang_lock_held(folder).value(); }));
  EXPECT_EQ(run_gang_program(folder), kGangUsed);
  EXPECT_THAT(read_file(folder.gang_log()).value(), HasSubstr("another gang of this attempt is alive"));
}

TEST_F(Gang, AnAttemptWhoseGangWasLostIsNotTriedAgain) {
  const AttemptFolder folder = attempt("exit 0");
  v1::GangRecord record;
  record.set_pid(1);
  ASSERT_TRUE(folder.write_gang(record).ok());
  EXPECT_EQ(run_gang_program(folder), kGangUsed);
  EXPECT_FALSE(folder.read_exit().value().has_value());
}

// What a failing disk leaves of it must not keep the attempt, and its room, for ever.
TEST_F(Gang, ADamagedExitRecordIsNone) {
  const AttemptFolder folder = attempt("exit 0");
  ASSERT_TRUE(launcher_->start(folder).ok());
  wait_for(*launcher_, folder, GangState::kEnded);
  ASSERT_TRUE(eventually([&] { return !gang_lock_held(folder).value(); }));
  ASSERT_TRUE(write_file_durably(folder.exit(), "\xff\xff").ok());
  EXPECT_FALSE(whole_exit(folder).value().has_value());
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kLost).kind, GangState::kLost);
  EXPECT_EQ(run_gang_program(folder), kGangUsed) << "damaged, it keeps others out all the same";
  ASSERT_TRUE(bar(folder, v1::ExitRecord()).value());
  EXPECT_TRUE(whole_exit(folder).value()->barred());
}

TEST_F(Gang, AFolderWithoutAPlanIsRefused) {
  const AttemptFolder folder(base_);
  EXPECT_EQ(run_gang_program(folder), kGangNoPlan);
}

TEST_F(Gang, OutlivesTheProcessThatStartedIt) {
  const AttemptFolder folder = attempt("wait");
  const pid_t starter = ::fork();
  if (starter == 0) ::_exit(launcher_->start(folder).ok() ? 0 : 1);
  int status = 0;
  ::waitpid(starter, &status, 0);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(ranks_ready(folder, 1));
  const pid_t pid = folder.read_gang().value()->pid();
  EXPECT_EQ(::getsid(pid) == ::getsid(0), false);
  finish(folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
}

TEST_F(Gang, AMissingTrainerIsToldAtTheStart) {
  const std::unique_ptr<Launcher> launcher = make_local_launcher(
      LauncherOptions{.gang_program = bin_folder() / "rekindle-gang", .trainer_program = "/no/such/trainer"});
  const Status status = launcher->start(attempt("wait"));
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/no/such/trainer"));
}

TEST_F(Gang, AReusedPidOrARestartedHostIsALostGang) {
  v1::GangRecord record;
  record.set_pid(::getpid());
  record.set_start_ticks(*start_ticks(::getpid()) + 1);
  record.set_boot_id(boot_id());
  const AttemptFolder reused = attempt("wait");
  ASSERT_TRUE(reused.write_gang(record).ok());
  EXPECT_EQ(launcher_->probe(reused).value().kind, GangState::kLost);
  EXPECT_TRUE(launcher_->signal(reused, Signal::kKill).ok());  // and this process lives

  record.set_start_ticks(*start_ticks(::getpid()));
  record.set_boot_id("another boot");
  const AttemptFolder restarted = attempt("wait");
  ASSERT_TRUE(restarted.write_gang(record).ok());
  const GangState state = launcher_->probe(restarted).value();
  EXPECT_EQ(state.kind, GangState::kLost);
  EXPECT_THAT(state.detail, HasSubstr("restarted"));
  EXPECT_TRUE(launcher_->signal(restarted, Signal::kKill).ok());
}

TEST_F(Gang, ARecordThatAPowerFailureToreIsOfALostGang) {
  for (const std::string& torn : {std::string(), std::string(40, '\0')}) {
    const AttemptFolder folder = attempt("wait");
    ASSERT_TRUE(write_file_atomically(folder.gang(), torn).ok());
    EXPECT_TRUE(launcher_->start(folder).ok());
    EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kLost);
    EXPECT_TRUE(launcher_->signal(folder, Signal::kKill).ok());
  }
}

TEST_F(Gang, ARankThatWatchesLeavesWithTheLock) {
  const AttemptFolder folder = attempt("watch");
  std::optional<Fd> lock = take_gang_lock(folder).value();
  ASSERT_TRUE(lock.has_value());
  const pid_t rank = spawn(SpawnOptions{.argv = {test_rank().string(), "--folder", folder.root().string()},
                                        .environment = bare_environment()})
                         .value();
  ASSERT_TRUE(ranks_ready(folder, 1));
  lock.reset();
  int status = 0;
  ASSERT_TRUE(eventually([&] { return ::waitpid(rank, &status, WNOHANG) == rank; }));
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace rekindle::launch
