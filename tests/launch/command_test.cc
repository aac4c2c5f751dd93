// Command jobs under the real gang, with scripts of /bin/sh and Python that do as they please; rows and score
// are the test rank's.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "artifacts/store.h"
#include "base/clock.h"
#include "launch/ending.h"
#include "runtime/code.h"
#include "tests/launch/command_fixture.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(Command, WordsArriveByteForByte) {
  const AttemptFolder folder = started(
      plan({"/usr/bin/python3", "-c",
            "import os, sys; open(os.environ['REKINDLE_OUT'] + '/words', 'w').write(repr(sys.argv[1:]))",
            "$(id)", "a'b\"c", "two\nlines", "", "*", "-x", "\\", "; exit 9"}));
  EXPECT_EQ(ended(folder).code(), 0) << log(folder);
  EXPECT_EQ(outcome(folder).message(),
            "words=['$(id)', 'a\\'b\"c', 'two\\nlines', '', '*', '-x', '\\\\', '; exit 9'];");
}

TEST_F(Command, AScriptFindsWhatItIsPromisedAndNoMore) {
  ::setenv("REKINDLE_CANARY", "secret", 1);
  ::setenv("PYTHONSTARTUP", "/evil", 1);
  ::setenv("BASH_ENV", "/evil", 1);
  const AttemptFolder folder = started(shell(
      "cd \"$REKINDLE_OUT\" && env >env && test -d \"$REKINDLE_TRAIN\" && test -d \"$REKINDLE_VALID\" && "
      "test -d \"$REKINDLE_CHECKPOINT\" && test -f \"$REKINDLE_SPEC\" && test -w \"$TMPDIR\" && cp "
      "\"$REKINDLE_SPEC\" spec"));
  EXPECT_EQ(ended(folder).code(), 0) << log(folder);
  const std::string found = outcome(folder).message();
  for (const char* entry :
       {"RANK=0\n", "WORLD_SIZE=1\n", "LOCAL_RANK=0\n", "LOCAL_WORLD_SIZE=1\n", "MASTER_ADDR=127.0.0.1\n",
        "REKINDLE_RUN=flight-delay-1\n", "REKINDLE_ATTEMPT_NUMBER=1\n", "REKINDLE_SEED=7\n",
        "REKINDLE_LABEL=late\n", "OMP_NUM_THREADS=1\n", "\"column\": \"late\""})
    EXPECT_THAT(found, HasSubstr(entry));
  for (const char* canary : {"secret", "/evil", "HOLDOUT"}) EXPECT_THAT(found, Not(HasSubstr(canary)));
  for (const char* name : {"REKINDLE_CANARY", "PYTHONSTARTUP", "BASH_ENV"}) ::unsetenv(name);
}

TEST_F(Command, RanksMeetAsUnderTorchrun) {
  // Rank 0 listens where it was told to, the other one calls.
  const AttemptFolder folder = started(plan({"/usr/bin/python3", "-c", R"(
import os, socket, time
e = os.environ
where = (e["MASTER_ADDR"], int(e["MASTER_PORT"]))
if e["RANK"] == "0":
    server = socket.create_server(where)
    said = server.accept()[0].recv(100)
else:
    for _ in range(1000):
        try:
            socket.create_connection(where).send(b"hello")
            break
        except ConnectionRefusedError:
            time.sleep(0.01)
    said = b"called"
open(f"{e['REKINDLE_OUT']}/rank-{e['RANK']}", "w").write(" ".join([said.decode(), e["LOCAL_RANK"], e["WORLD_SIZE"], e["LOCAL_WORLD_SIZE"]]))
)"},
                                            2));
  EXPECT_EQ(ended(folder).code(), 0) << log(folder) << log(folder, 1) << read_file(folder.gang_log()).value();
  EXPECT_EQ(outcome(folder).message(), "rank-0=hello 0 2 2;rank-1=called 1 2 2;");
  for (int rank = 0; rank < 2; ++rank) EXPECT_TRUE(reports(folder, rank).back().has_beat());
}

TEST_F(Command, AYieldWaitsForTheSlowestToSave) {
  const AttemptFolder folder = started(plan({"/usr/bin/python3", "-c", R"(
import os, signal, sys, time
def save(*_):
    rank = os.environ["RANK"]
    if rank == "0":
        time.sleep(1.5)  # mpirun kills others a moment after one leaves with anything but 0
    path = os.environ["REKINDLE_CHECKPOINT"] + "/step-" + rank
    os.mkdir(path + ".tmp")
    os.rename(path + ".tmp", path)
    sys.exit(75)
signal.signal(signal.SIGUSR1, save)
print("running", flush=True)
while True:
    time.sleep(0.05)
)"},
                                            2));
  ASSERT_TRUE(in_script(folder, 2)) << read_file(folder.gang_log()).value();
  ASSERT_TRUE(launcher_->signal(folder, Signal::kYield).ok());
  EXPECT_EQ(ended(folder).code(), kExitYielded);
  EXPECT_EQ(outcome(folder).kind(), v1::Outcome::YIELDED);
  EXPECT_TRUE(fs::exists(base_ / "checkpoints/step-0"));
  EXPECT_TRUE(fs::exists(base_ / "checkpoints/step-1"));
}

TEST_F(Command, AScriptThatDoesNotKnowTheWishIsEndedByIt) {
  const AttemptFolder folder = started(shell("echo running; exec sleep 1000"));
  ASSERT_TRUE(in_script(folder, 1));
  ASSERT_TRUE(launcher_->signal(folder, Signal::kYield).ok());
  EXPECT_EQ(ended(folder).code(), kExitYielded);
  EXPECT_EQ(outcome(folder).kind(), v1::Outcome::YIELDED);
  EXPECT_THAT(log(folder), HasSubstr("does not handle SIGUSR1"));
}

TEST_F(Command, ADeafScriptWithChildrenIsEndedByTheGrace) {
  const AttemptFolder folder = started(shell(
      "trap '' USR1 TERM INT; (trap '' TERM; setsid sleep 1000) & echo running; while :; do sleep 1; done"));
  ASSERT_TRUE(in_script(folder, 1));
  ASSERT_TRUE(launcher_->signal(folder, Signal::kYield).ok());
  ASSERT_TRUE(launcher_->signal(folder, Signal::kStop).ok());
  EXPECT_THAT(ended(folder).note(), HasSubstr("after the grace"));
  EXPECT_FALSE(folder.read_outcome().value().has_value());
}

TEST_F(Command, WhatAScriptLeavesBehindIsEndedBeforeItIsScored) {
  const AttemptFolder folder = started(
      shell("(setsid sh -c 'while :; do echo noise; sleep 0.01; done' &) ; echo v >\"$REKINDLE_OUT/f\""));
  EXPECT_EQ(ended(folder).code(), 0) << log(folder);
  EXPECT_EQ(outcome(folder).message(), "f=v\n;");
}

struct End {
  std::string script;
  int code;
  std::string last_line;
};
class Ends : public Command, public testing::WithParamInterface<End> {};
TEST_P(Ends, AreHandedOn) {
  const AttemptFolder folder = started(shell(GetParam().script));
  EXPECT_EQ(ended(folder).code(), GetParam().code);
  EXPECT_THAT(log(folder), HasSubstr(GetParam().last_line));
  EXPECT_FALSE(folder.read_outcome().value().has_value()) << "the coordinator reads the code";
}
INSTANTIATE_TEST_SUITE_P(Table, Ends,
                         testing::Values(End{"echo no column x; exit 65", 65, "no column x"},
                                         End{"echo bad flag; exit 78", 78, "bad flag"},
                                         End{"echo oops; exit 3", 3, "oops"}, End{"kill -SEGV $$", 139, ""},
                                         End{"exit 75", 1,
                                             "nobody asked it to and it committed no checkpoint"}));

TEST_F(Command, AYieldOfItsOwnCountsWithACheckpoint) {
  const AttemptFolder folder = started(shell("mkdir \"$REKINDLE_CHECKPOINT/step-5\"; exit 75"));
  EXPECT_EQ(ended(folder).code(), kExitYielded);
  EXPECT_EQ(outcome(folder).kind(), v1::Outcome::YIELDED);
}

TEST_F(Command, ACommandThatIsNotThereIsARefusal) {
  const AttemptFolder folder = started(plan({"rekindle-no-such-program", "x"}));
  EXPECT_EQ(ended(folder).code(), kExitSpecRefused);
  EXPECT_THAT(log(folder),
              HasSubstr("the command cannot be run: no program rekindle-no-such-program in PATH"));
}

TEST_F(Command, TheRankThatFailedIsBlamed) {
  const AttemptFolder folder = started(shell("if [ $RANK = 1 ]; then exit 3; fi; sleep 1000", 2));
  const v1::ExitRecord record = ended(folder);
  EXPECT_EQ(record.code(), 3);
  ASSERT_EQ(record.ranks_size(), 1);
  EXPECT_EQ(record.ranks(0).rank(), 1);
  EXPECT_EQ(record.ranks(0).code(), 3);
}

TEST_F(Command, SaysAreReportedAndLogsAreBounded) {
  const AttemptFolder folder =
      started(shell("echo '{\"step\": 3, \"train_loss\": 0.5}' >>\"$REKINDLE_METRICS\"; echo nonsense "
                    ">>\"$REKINDLE_METRICS\"; "
                    "mkdir \"$REKINDLE_CHECKPOINT/step-3.tmp\"; mv \"$REKINDLE_CHECKPOINT/step-3.tmp\" "
                    "\"$REKINDLE_CHECKPOINT/step-3\"; "
                    "yes rekindle | head -c 80000000; echo the end; echo v >\"$REKINDLE_OUT/f\""));
  EXPECT_EQ(ended(folder).code(), 0);
  bool metric = false, note = false, checkpoint = false, command = false;
  for (const v1::Report& report : reports(folder)) {
    metric |= report.metric().name() == "train_loss" && report.metric().step() == 3;
    note |= report.note().text().find("nonsense") != std::string::npos;
    checkpoint |= report.checkpoint().step() == 3;
    command |= report.beat().phase() == v1::PHASE_COMMAND || report.beat().phase() == v1::PHASE_END;
  }
  EXPECT_TRUE(metric && note && checkpoint && command);
  EXPECT_LT(fs::file_size(folder.log(0)), 65'000'000u);
  EXPECT_THAT(log(folder).substr(fs::file_size(folder.log(0)) - 100), HasSubstr("the end\n"));
}

TEST_F(Command, ARetryFindsWhatWasCommittedAndNothingElse) {
  const AttemptFolder first =
      started(shell("cd \"$REKINDLE_CHECKPOINT\"; mkdir step-1 step-2.tmp; echo one >step-1/state; exit 1"));
  EXPECT_EQ(ended(first).code(), 1);
  const AttemptFolder second = started(shell(
      "cd \"$REKINDLE_CHECKPOINT\"; ls >\"$REKINDLE_OUT/found\"; cat */state >>\"$REKINDLE_OUT/found\""));
  EXPECT_EQ(ended(second).code(), 0);
  EXPECT_EQ(outcome(second).message(), "found=step-1\none\n;");
}

TEST_F(Command, CodeIsUnpackedWhereTheScriptRuns) {
  fs::create_directories(base_ / "code");
  ASSERT_TRUE(
      write_file_durably(base_ / "code/run.sh", "#!/bin/sh\ncat data.txt >\"$REKINDLE_OUT/f\"\n", 0755).ok());
  ASSERT_TRUE(write_file_durably(base_ / "code/data.txt", "data").ok());
  v1::Plan with_code = plan({"./run.sh"});
  auto store = artifacts::open_folder_store(base_ / "artifacts").value();
  with_code.mutable_spec()->mutable_code()->set_sha256(
      store->put(runtime::pack_code(base_ / "code").value()).value());
  const AttemptFolder folder = started(with_code);
  EXPECT_EQ(ended(folder).code(), 0) << log(folder);
  EXPECT_EQ(outcome(folder).message(), "f=data;");

  with_code.mutable_spec()->mutable_code()->set_sha256(std::string(64, '0'));
  const AttemptFolder gone = started(with_code);
  EXPECT_EQ(ended(gone).code(), kExitSpecRefused);
  EXPECT_THAT(outcome(gone).message(), HasSubstr("the job's code"));
}

TEST_F(Command, AnEnvironmentThatCannotBeIsARefusal) {
  fs::create_directories(base_ / "code");
  ASSERT_TRUE(write_file_durably(base_ / "code/lock.txt", "numpy\n").ok());
  v1::Plan loose = plan({"python", "-c", "1"});
  auto store = artifacts::open_folder_store(base_ / "artifacts").value();
  loose.mutable_spec()->mutable_code()->set_sha256(
      store->put(runtime::pack_code(base_ / "code").value()).value());
  loose.mutable_spec()->mutable_train()->mutable_env()->set_venv("lock.txt");
  const AttemptFolder folder = started(loose);
  EXPECT_EQ(ended(folder).code(), kExitSpecRefused);
  EXPECT_EQ(outcome(folder).kind(), v1::Outcome::SPEC_REFUSED);
  EXPECT_THAT(outcome(folder).message(), HasSubstr("lock.txt:1: 'numpy' is not pinned"));
}

TEST_F(Command, WithoutRowsNoScriptRuns) {
  v1::Plan refused = shell("echo running; touch \"$REKINDLE_CHECKPOINT/ran\"");
  refused.set_fault("bad rows");
  const AttemptFolder folder = started(refused);
  EXPECT_EQ(ended(folder).code(), kExitDataRefused);
  EXPECT_EQ(outcome(folder).message(), "bad rows");
  EXPECT_FALSE(fs::exists(base_ / "checkpoints/ran"));
}

TEST_F(Command, ALimitOfTimeIsAWishToYield) {
  v1::Plan limited = shell(
      "trap 'mkdir \"$REKINDLE_CHECKPOINT/step-1\"; exit 75' USR1; echo running; while :; do sleep 0.05; "
      "done");
  limited.set_leave_by_us(to_micros(SystemClock().wall()) + 2'000'000);
  limited.mutable_spec()->mutable_train()->mutable_limits()->mutable_cancel_grace()->set_seconds(1);
  const AttemptFolder folder = started(limited);
  EXPECT_EQ(ended(folder).code(), kExitYielded);
  EXPECT_TRUE(fs::exists(base_ / "checkpoints/step-1"));
}

v1::Plan without_data(v1::Plan plan) {
  plan.mutable_spec()->clear_data();
  return plan;
}

TEST_F(Command, APlainTaskIsItsCommandAlone) {
  v1::Plan plan = without_data(shell("env; test -f \"$REKINDLE_SPEC\" && test -d \"$REKINDLE_CHECKPOINT\""));
  plan.set_fault("bad rows");  // would end the test rank, were it asked for rows
  const AttemptFolder folder = started(plan);
  const v1::ExitRecord record = ended(folder);
  EXPECT_EQ(record.code(), 0) << log(folder);
  ASSERT_EQ(record.ranks_size(), 1) << "what the coordinator takes for its end";
  EXPECT_EQ(record.ranks(0).code(), 0);
  EXPECT_FALSE(folder.read_outcome().value().has_value()) << "nobody scored";
  for (const char* entry : {"RANK=0\n", "REKINDLE_RUN=flight-delay-1\n", "REKINDLE_SEED=7\n"})
    EXPECT_THAT(log(folder), HasSubstr(entry));
  for (const char* rows : {"REKINDLE_TRAIN", "REKINDLE_VALID", "REKINDLE_OUT", "REKINDLE_LABEL"})
    EXPECT_THAT(log(folder), Not(HasSubstr(rows)));
}

TEST_F(Command, APlainTaskOfSeveralRanksEndsWithTheFirstThatFails) {
  const v1::ExitRecord good = ended(started(without_data(shell("echo rank $RANK", 2))));
  EXPECT_EQ(good.code(), 0);
  EXPECT_EQ(good.ranks_size(), 2);
  const v1::ExitRecord bad =
      ended(started(without_data(shell("if [ $RANK = 1 ]; then exit 3; fi; sleep 1000", 2))));
  EXPECT_EQ(bad.code(), 3);
}

TEST_F(Command, TheGangsDeathEndsTheScript) {
  const AttemptFolder folder = started(shell("trap '' TERM; echo running; while :; do sleep 1; done"));
  ASSERT_TRUE(in_script(folder, 1));
  ::kill(folder.read_gang().value()->pid(), SIGKILL);
  wait_for(*launcher_, folder, GangState::kLost);
  EXPECT_TRUE(processes_of(folder).empty());
}

TEST_F(Command, AGangThatIsWaitedForTellsHowItEnded) {
  const AttemptFolder good = made(shell("printf done >\"$REKINDLE_OUT/f\""));
  const Result<GangState> ended = run_gang_here(programs(), good);
  ASSERT_TRUE(ended.ok()) << ended.status().message();
  EXPECT_EQ(ending_of(good, *ended, 1).end, v1::END_FINISHED) << log(good);
  EXPECT_EQ(outcome(good).message(), "f=done;");
  EXPECT_TRUE(processes_of(good).empty());

  const AttemptFolder refused = made(shell("echo too few rows; exit 65"));
  const Ending ending = ending_of(refused, run_gang_here(programs(), refused).value(), 1);
  EXPECT_EQ(ending.end, v1::END_DATA_REFUSED);
  EXPECT_THAT(ending.message, HasSubstr("too few rows"));

  LauncherOptions nowhere = programs();
  nowhere.gang_program = base_ / "nowhere";
  EXPECT_FALSE(run_gang_here(nowhere, made(shell("true"))).ok());
}

TEST_F(Command, AGangThatIsWaitedForDiesWithWhoWaits) {
  const AttemptFolder folder = made(shell("echo running; while :; do sleep 0.05; done"));
  const pid_t waiting = ::fork();
  if (waiting == 0) ::_exit(run_gang_here(programs(), folder).ok() ? 0 : 1);
  ASSERT_TRUE(in_script(folder, 1)) << log(folder);
  ::kill(waiting, SIGKILL);
  ::waitpid(waiting, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return processes_of(folder).empty(); }));
}

}  // namespace
}  // namespace rekindle::launch
