// The parts that can be tried alone: endings, nodes, logs, the core's loop.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/executor_work_guard.hpp>

#include "base/files/passing_files.h"
#include "coordinator/attempts/folder_watch.h"
#include "coordinator/attempts/logs.h"
#include "coordinator/core_loop.h"
#include "coordinator/doctor.h"
#include "coordinator/journal/fake_journal.h"
#include "coordinator/loop/nodes.h"
#include "launch/ending.h"
#include "rekindle/v1/confined.pb.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// --- Folders

TEST(FolderWatchOf, TellsOfTheNameAloneAndOfWhatIsWatched) {
  TempFolder a, b;
  FolderWatch watch("exit.pb");
  watch.add(a.path());
  watch.add(a.path());
  watch.add(b.path());
  watch.add(a.path() / "nowhere");
  EXPECT_TRUE(watch.changed().empty());
  ASSERT_TRUE(write_file_atomically(a.path() / "gang.pb", "").ok());
  ASSERT_TRUE(write_file_atomically(b.path() / "exit.pb", "").ok());
  EXPECT_EQ(watch.changed(), std::vector<fs::path>{b.path()});
  EXPECT_TRUE(watch.changed().empty());
  watch.remove(b.path());
  watch.remove(b.path());
  ASSERT_TRUE(write_file_atomically(b.path() / "exit.pb", "").ok());
  ASSERT_TRUE(write_file_atomically(a.path() / "exit.pb", "").ok());
  EXPECT_EQ(watch.changed(), std::vector<fs::path>{a.path()});
}

// --- Endings

struct EndCase {
  const char* name;
  int code;
  int signal;
  v1::Outcome::Kind outcome;
  v1::EndClass end;
};

class Endings : public testing::TestWithParam<EndCase> {};

TEST_P(Endings, AreClassed) {
  const EndCase& c = GetParam();
  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  if (c.outcome != v1::Outcome::KIND_UNSPECIFIED) {
    v1::Outcome outcome;
    outcome.set_kind(c.outcome);
    ASSERT_TRUE(folder.write_outcome(outcome).ok());
  }
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  state.exit->set_code(c.code);
  state.exit->set_signal(c.signal);
  EXPECT_EQ(launch::ending_of(folder, state, 2).end, c.end);
}

INSTANTIATE_TEST_SUITE_P(
    All, Endings,
    testing::Values(EndCase{"finished", 0, 0, v1::Outcome::FINISHED, v1::END_FINISHED},
                    EndCase{"outcome_is_the_truth", 1, 0, v1::Outcome::FINISHED, v1::END_FINISHED},
                    EndCase{"killed_after_outcome", 0, 9, v1::Outcome::YIELDED, v1::END_YIELDED},
                    EndCase{"zero_without_outcome", 0, 0, v1::Outcome::KIND_UNSPECIFIED, v1::END_CRASH},
                    EndCase{"yielded", 75, 0, v1::Outcome::KIND_UNSPECIFIED, v1::END_YIELDED},
                    EndCase{"spec", 78, 0, v1::Outcome::KIND_UNSPECIFIED, v1::END_SPEC_REFUSED},
                    EndCase{"data", 65, 0, v1::Outcome::KIND_UNSPECIFIED, v1::END_DATA_REFUSED},
                    EndCase{"diverged", 70, 0, v1::Outcome::DIVERGED, v1::END_DIVERGED},
                    EndCase{"diverged_without_outcome", 70, 0, v1::Outcome::KIND_UNSPECIFIED,
                            v1::END_DIVERGED},
                    EndCase{"crash", 1, 0, v1::Outcome::KIND_UNSPECIFIED, v1::END_CRASH},
                    EndCase{"signal", 0, 11, v1::Outcome::KIND_UNSPECIFIED, v1::END_CRASH}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(EndingsOf, ADamagedOutcomeIsACrashThatNamesIt) {
  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  std::ofstream(folder.outcome()) << "\xff\xff\xff";
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  launch::Ending ending = launch::ending_of(folder, state, 1);
  EXPECT_EQ(ending.end, v1::END_CRASH);
  EXPECT_NE(ending.message.find("outcome.pb"), std::string::npos) << ending.message;
}

// A pipe there must not keep the daemon waiting for whoever writes to it.
TEST(EndingsOf, APipeInTheOutcomesPlaceIsACrash) {
  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  ASSERT_EQ(::mkfifo(folder.outcome().c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(folder.log(0).c_str(), 0600), 0);
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  const launch::Ending ending = launch::ending_of(folder, state, 1);
  EXPECT_EQ(ending.end, v1::END_CRASH);
  EXPECT_NE(ending.message.find("outcome.pb is a pipe"), std::string::npos) << ending.message;
  EXPECT_TRUE(fs::remove(folder.outcome()));
  EXPECT_EQ(launch::ending_of(folder, state, 1).message, "the ranks left with 0 but wrote no outcome.pb");
}

struct MemoryCase {
  const char* name;
  int code;
  v1::Confinement confined;
  std::string log;
  std::string gang_log;
  v1::EndClass end;
  std::string says;
};
v1::Confinement confined(uint64_t kills, bool by_process, const std::string& field) {
  v1::Confinement out;
  out.set_memory_limit(300'000'000);
  out.set_memory_kills(kills);
  out.set_memory_by_process(by_process);
  out.mutable_policy()->set_memory_field(field);
  return out;
}

class Memory : public testing::TestWithParam<MemoryCase> {};
TEST_P(Memory, IsToldFromACrash) {
  const MemoryCase& c = GetParam();
  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  std::ofstream(temp.path() / "confined.pb") << c.confined.SerializeAsString();
  std::ofstream(folder.log(1)) << c.log;
  std::ofstream(folder.gang_log()) << c.gang_log;
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  state.exit->set_code(c.code);
  if (c.gang_log.empty()) {
    state.exit->add_ranks()->set_rank(1);
    state.exit->mutable_ranks(0)->set_code(c.code);
  }
  const launch::Ending ending = launch::ending_of(folder, state, 2);
  EXPECT_EQ(ending.end, c.end) << ending.message;
  EXPECT_NE(ending.message.find(c.says), std::string::npos) << ending.message;
}
INSTANTIATE_TEST_SUITE_P(
    All, Memory,
    testing::Values(
        MemoryCase{"killed", 137, confined(1, false, "train.ranks.memory"), "", "", v1::END_OUT_OF_MEMORY,
                   "rank 1 ran out of memory: the attempt came to its limit of 300.0MB; raise "
                   "train.ranks.memory, or ask for less"},
        MemoryCase{"a_helper_was_killed", 1, confined(1, false, "train.ranks.memory"), "a worker died\n", "",
                   v1::END_OUT_OF_MEMORY, "(rank 1 left with 1: a worker died)"},
        MemoryCase{"the_host", 137, confined(2, false, ""), "", "", v1::END_OUT_OF_MEMORY,
                   "nine tenths of what this host has"},
        MemoryCase{"an_allocation_failed", 1, confined(0, true, "train.ranks.memory"),
                   "Traceback\nMemoryError\n", "", v1::END_OUT_OF_MEMORY, "the limit of"},
        MemoryCase{"no_limit_was_there", 1, confined(0, false, ""), "Traceback\nMemoryError\n", "",
                   v1::END_CRASH, "rank 1 left with 1: MemoryError"},
        MemoryCase{"a_refusal_stays_one", 65, confined(1, false, ""), "no column x\n", "",
                   v1::END_DATA_REFUSED, "no column x"},
        MemoryCase{"of_slurm", 137, v1::Confinement(), "",
                   "slurmstepd: error: Detected 1 oom_kill event in StepId=5.0. Some of the step tasks have "
                   "been OOM Killed.\nsrun: error: n1: task 1: Out Of Memory\n",
                   v1::END_OUT_OF_MEMORY,
                   "rank 1 ran out of memory: Slurm ended it; raise train.ranks.memory"},
        MemoryCase{"killed_by_another", 137, confined(0, false, "train.ranks.memory"), "", "", v1::END_CRASH,
                   "rank 1 left with 137"}),
    [](const auto& info) { return std::string(info.param.name); });

// As Open MPI 4.1 writes it.
constexpr const char* kKilledLog =
    R"(--------------------------------------------------------------------------
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
--------------------------------------------------------------------------
--------------------------------------------------------------------------
mpirun noticed that process rank 1 with PID 4711 on node host-a exited on signal 9 (Killed).
--------------------------------------------------------------------------
)";
constexpr const char* kLeftLog = R"(--------------------------------------------------------------------------
mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[37311,1],12]
  Exit code:    3
--------------------------------------------------------------------------
)";

TEST(EndingsOf, AnOutcomeNamesTheRankThatDiverged) {
  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::DIVERGED);
  outcome.set_message("rank 2 holds other parameters than the other 3");
  outcome.set_culprit(3);
  ASSERT_TRUE(folder.write_outcome(outcome).ok());
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  state.exit->set_code(70);
  launch::Ending ending = launch::ending_of(folder, state, 4);
  EXPECT_EQ(ending.end, v1::END_DIVERGED);
  EXPECT_EQ(ending.rank, 2);
  EXPECT_EQ(ending.message, outcome.message());
}

TEST(EndingsOf, APlainTaskIsDoneWhenEachRankSaidSo) {
  TempFolder folder;
  const launch::AttemptFolder attempt(folder.path());
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  EXPECT_EQ(launch::ending_of(attempt, state, 2, true).end, v1::END_CRASH) << "a torn record is no success";
  state.exit->add_ranks()->set_rank(0);
  EXPECT_EQ(launch::ending_of(attempt, state, 2, true).end, v1::END_CRASH);
  state.exit->add_ranks()->set_rank(1);
  const launch::Ending done = launch::ending_of(attempt, state, 2, true);
  EXPECT_EQ(done.end, v1::END_FINISHED);
  EXPECT_EQ(done.outcome->kind(), v1::Outcome::FINISHED);
  EXPECT_EQ(launch::ending_of(attempt, state, 2).end, v1::END_CRASH) << "whoever trains has an outcome";
  state.exit->mutable_ranks(1)->set_code(3);
  state.exit->set_code(3);
  EXPECT_EQ(launch::ending_of(attempt, state, 2, true).end, v1::END_CRASH);
  state.exit->set_code(65);
  EXPECT_EQ(launch::ending_of(attempt, state, 2, true).end, v1::END_DATA_REFUSED);
}

TEST(EndingsOf, MpirunNamesTheRankThatEndedFirst) {
  auto killed = launch::first_to_end(kKilledLog);
  ASSERT_TRUE(killed.has_value());
  EXPECT_EQ(killed->rank(), 1);
  EXPECT_EQ(killed->signal(), 9);
  auto left = launch::first_to_end(kLeftLog);
  ASSERT_TRUE(left.has_value());
  EXPECT_EQ(left->rank(), 12);
  EXPECT_EQ(left->code(), 3);
  const auto of_srun = launch::first_to_end(
      "srun: launch/slurm: launch_p_step_launch: StepId=4.0\nsrun: error: localhost: task 1: Killed\n"
      "srun: error: localhost: task 0: Exited with exit code 1\n");
  ASSERT_TRUE(of_srun.has_value());
  EXPECT_EQ(of_srun->rank(), 1);
  EXPECT_EQ(of_srun->signal(), 9);
  EXPECT_EQ(launch::first_to_end("srun: error: n[1-2]: tasks 3-5: Exited with exit code 65\n")->code(), 65);
  EXPECT_EQ(launch::first_to_end("srun: error: n1: task 0: Segmentation fault (core dumped)\n")->signal(),
            11);
  EXPECT_FALSE(launch::first_to_end("srun: error: n1: task 0: Something of 2031\n").has_value());
  EXPECT_FALSE(launch::first_to_end("").has_value());
  EXPECT_FALSE(launch::first_to_end("process rank ? exited on signal").has_value());

  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  std::ofstream(folder.gang_log()) << kKilledLog;
  std::ofstream(folder.log(1)) << "epoch 3\nout of memory\n";
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace();
  state.exit->set_code(137);
  launch::Ending ending = launch::ending_of(folder, state, 2);
  EXPECT_EQ(ending.end, v1::END_CRASH);
  EXPECT_EQ(ending.rank, 1);
  EXPECT_EQ(ending.message, "rank 1 ended by signal 9 (Killed): out of memory");
}

TEST(Gpus, AreCountedByTheirDevices) {
  TempFolder devices;
  for (const char* name :
       {"nvidia0", "nvidia1", "nvidia12", "nvidiactl", "nvidia-uvm", "nvidia1x", "xnvidia3"})
    std::ofstream(devices.path() / name) << "";
  EXPECT_EQ(gpus_of_host(devices.path()), 3u);
  EXPECT_EQ(gpus_of_host(devices.path() / "nowhere"), 0u);
}

// --- Nodes

TEST(NodesTest, LivesByItsReportsAndHoldsTheWatermark) {
  ManualClock clock(Time{});
  Nodes nodes(clock);
  v1::NodeReport a, b;
  a.set_node("a");
  a.set_model("m");
  a.set_revision(3);
  a.set_newest_event_us(100);
  b = a;
  b.set_node("b");
  b.set_revision(2);
  b.set_newest_event_us(50);
  EXPECT_FALSE(nodes.newest_event_us("m").has_value());
  nodes.report(a);
  auto pass = [&](int seconds) {
    for (int i = 0; i < seconds; ++i) {
      clock.advance(Seconds(1));
      nodes.expire();
    }
  };
  pass(6);
  nodes.report(b);
  EXPECT_EQ(nodes.newest_event_us("m"), 50);
  EXPECT_EQ(nodes.views().at("m").nodes, 2u);
  EXPECT_EQ(nodes.views().at("m").revision, 2u);
  b.set_idle(true);
  nodes.report(b);
  EXPECT_EQ(nodes.newest_event_us("m"), 100) << "an idle node holds nothing back";
  pass(5);
  EXPECT_EQ(nodes.live("m").size(), 1u);
  EXPECT_FALSE(nodes.expire());
  EXPECT_TRUE(nodes.live("other").empty());
}

TEST(NodesTest, ThoseFromBeforeARestartAreWaitedFor) {
  ManualClock clock(Time{});
  Nodes nodes(clock);
  nodes.presume({"m"});
  EXPECT_TRUE(nodes.presumed("m"));
  EXPECT_EQ(nodes.views().at("m").nodes, 1u);
  EXPECT_EQ(nodes.views().at("m").revision, 0u) << "a rollout must not go ahead on silence";
  for (int i = 0; i < kNodeLive.count(); ++i) {
    clock.advance(Seconds(1));
    EXPECT_EQ(nodes.expire(), i + 1 == kNodeLive.count());
  }
  EXPECT_FALSE(nodes.presumed("m"));
  EXPECT_TRUE(nodes.views().empty() || !nodes.views().contains("m"));
}

TEST(NodesTest, APauseOfTheDaemonIsNotTheNodesSilence) {
  ManualClock clock(Time{});
  Nodes nodes(clock);
  v1::NodeReport report;
  report.set_node("a");
  report.set_model("m");
  nodes.report(report);
  clock.advance(Seconds(3600));
  EXPECT_EQ(nodes.live("m").size(), 1u);
  EXPECT_FALSE(nodes.expire());
}

// --- Logs

TEST(Logs, TailsAndSplits) {
  TempFolder temp;
  launch::AttemptFolder folder(temp.path());
  std::ofstream(folder.log(0)) << "a\n\nb\n";
  LogReader all(folder, 2, -1);
  auto lines = all.read_new(false);
  ASSERT_EQ(lines->size(), 1u);
  EXPECT_EQ((*lines)[0].lines, (std::vector<std::string>{"a", "", "b"}));
  EXPECT_TRUE(all.read_new(true)->empty());
  for (auto [wanted, expected] :
       std::vector<std::pair<uint32_t, size_t>>{{1, 1}, {2, 2}, {3, 3}, {9, 3}, {0, 3}}) {
    LogReader tail(folder, 2, 0);
    ASSERT_TRUE(tail.seek_tail(wanted).ok());
    EXPECT_EQ((*tail.read_new(false))[0].lines.size(), expected) << wanted;
  }
  std::ofstream(folder.log(1)) << std::string(LogReader::kLogBytesMax + 10, 'x');
  LogReader endless(folder, 2, 1);
  EXPECT_EQ((*endless.read_new(false))[0].lines[0].size(), LogReader::kLogBytesMax)
      << "a line without end comes in pieces";
}

// --- The core's loop

class Loop : public testing::Test {
 protected:
  void start() {
    loop_ = std::make_unique<CoreLoop>(
        io_, clock_, CoreLoopOptions{.cluster = core::place::one_host(2), .snapshot_every = 3});
    ASSERT_TRUE(loop_->load(std::make_unique<FakeJournal>(storage_)).ok());
    CoreSeams seams;
    seams.perform = [this](const std::vector<core::Effect>& effects) {
      for (const core::Effect& effect : effects)
        performed_.emplace_back(core::effect_key(effect), loop_->durable_seq());
    };
    loop_->begin(std::move(seams));
  }
  void run_for(milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }
  core::Apply job(const std::string& name) {
    auto resolved = jobs::resolve(sample_spec(name));
    return core::Apply{resolved->spec, jobs::spec_sha256(resolved->spec)};
  }
  core::AddSnapshot rows() {
    TempFolder artifacts;
    return core::AddSnapshot{sample_snapshot(artifacts.path()).snapshot(), false};
  }

  boost::asio::io_context io_{1};
  // The journal's thread posts when it is done: until then there is nothing to do, but there will be.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  SystemClock clock_;
  std::shared_ptr<FakeJournalStorage> storage_ = std::make_shared<FakeJournalStorage>();
  std::unique_ptr<CoreLoop> loop_;
  std::vector<std::pair<std::string, uint64_t>> performed_;
};

TEST_F(Loop, EffectsWaitUntilTheirEventsAreDurable) {
  start();
  ASSERT_TRUE(loop_->submit(job("a"), "operator").ok());
  ASSERT_TRUE(loop_->submit(rows(), "operator").ok());
  v1::StartRunRequest request;
  request.set_job("a");
  auto accepted = loop_->submit(core::StartRun{request}, "operator");
  ASSERT_TRUE(accepted.ok()) << accepted.status().to_string();
  EXPECT_TRUE(performed_.empty()) << "nothing is durable yet";
  run_for(milliseconds(100));
  ASSERT_FALSE(performed_.empty());
  for (const auto& [key, durable] : performed_) EXPECT_GE(durable, accepted->seq) << key;
  EXPECT_EQ(performed_[0].first, "launch/a-1/1");
}

TEST_F(Loop, ARestartReplaysToTheSameState) {
  start();
  ASSERT_TRUE(loop_->submit(job("a"), "operator").ok());
  ASSERT_TRUE(loop_->submit(rows(), "operator").ok());
  v1::StartRunRequest request;
  request.set_job("a");
  ASSERT_TRUE(loop_->submit(core::StartRun{request}, "operator").ok());
  const std::string before = core::to_snapshot(loop_->state()).SerializeAsString();
  loop_->stop();
  EXPECT_TRUE(storage_->snapshot.has_value());
  storage_->snapshot.reset();  // from the events alone
  start();
  EXPECT_EQ(core::to_snapshot(loop_->state()).SerializeAsString(), before);
  loop_->stop();
  start();  // from the snapshot
  EXPECT_EQ(core::to_snapshot(loop_->state()).SerializeAsString(), before);
}

TEST_F(Loop, AClockThatWasSetBackDoesNotTurnTimeBack) {
  ManualClock clock(SystemClock().wall());
  const auto open = [&] {
    loop_ = std::make_unique<CoreLoop>(io_, clock, CoreLoopOptions{.cluster = core::place::one_host(0)});
    ASSERT_TRUE(loop_->load(std::make_unique<FakeJournal>(storage_)).ok());
  };
  open();
  ASSERT_TRUE(loop_->submit(job("a"), "operator").ok());
  ASSERT_TRUE(loop_->submit(rows(), "operator").ok());
  v1::StartRunRequest request;
  request.set_job("a");
  const Time queued = loop_->now();
  ASSERT_TRUE(loop_->submit(core::StartRun{request}, "operator").ok());
  loop_->stop();
  clock.jump_wall(queued - Seconds(10 * 365 * 86400));
  open();
  EXPECT_EQ(loop_->now(), queued) << "retries and limits would wait for ten years";
  clock.advance(Seconds(5));
  EXPECT_EQ(loop_->now(), queued + Seconds(5));
}

TEST_F(Loop, ARefusalChangesNothing) {
  start();
  v1::StartRunRequest request;
  request.set_job("nothing");
  EXPECT_EQ(loop_->submit(core::StartRun{request}, "operator").status().code(), Code::kNotFound);
  run_for(milliseconds(20));
  EXPECT_EQ(loop_->durable_seq(), 0u);
  EXPECT_TRUE(storage_->events.empty());
}

}  // namespace
}  // namespace rekindle::coordinator
