// What a predictor process may do wrong, and what its users see of it.
#include <signal.h>

#include <cmath>
#include <thread>

#include "base/clock.h"
#include "base/process.h"
#include "fixture.h"
#include "models/process/bounded_log.h"
#include "models/process/restarts.h"

namespace rekindle::models::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMB = 1 << 20;

class Supervision : public ::testing::Test {
 protected:
  void start(const Manner& setup) {
    auto served = serve(Kind::kScript, folder_.path(), setup);
    ASSERT_TRUE(served.ok()) << served.status().message();
    predictor_ = std::move(served).value();
  }
  Status refusal(const Manner& setup) {
    auto served = serve(Kind::kScript, folder_.path(), setup);
    EXPECT_FALSE(served.ok());
    EXPECT_TRUE(processes_of(folder_.path()).empty());
    return served.ok() ? Status() : served.status();
  }
  Result<Predictions> ask(size_t rows = 5) { return predictor_->predict(some_rows(rows)); }
  void expect_right(const Result<Predictions>& got) {
    ASSERT_TRUE(got.ok()) << got.status().message();
    const auto want = serve(Kind::kBuiltIn, folder_.path()).value()->predict(some_rows(got->rows())).value();
    for (size_t row = 0; row < got->rows(); ++row) EXPECT_NEAR(got->values[row], want.values[row], 1e-6);
  }
  // Until a process is ready that is not `old`.
  pid_t wait_for_another(pid_t old) {
    for (int i = 0; i < 4000; ++i) {
      const ProcessFigures figures = *predictor_->process();
      if (figures.state == ProcessFigures::State::kReady && figures.pid != old) return figures.pid;
      std::this_thread::sleep_for(milliseconds(5));
    }
    ADD_FAILURE() << "no new process";
    return 0;
  }

  TempFolder folder_;
  std::unique_ptr<Predictor> predictor_;
};

TEST_F(Supervision, ADeathDuringARequestIsAnsweredByTheNextProcess) {
  start({.fault = "kill-once"});
  const pid_t first = predictor_->process()->pid;
  expect_right(ask());
  const ProcessFigures figures = *predictor_->process();
  EXPECT_NE(figures.pid, first);
  EXPECT_EQ(figures.restarts, 1u);
  EXPECT_THAT(figures.trouble, AllOf(HasSubstr("killed by signal 9"), HasSubstr("about to die")));
}

TEST_F(Supervision, ARequestThatAlwaysKillsIsUnavailable) {
  start({.fault = "kill-always"});
  const auto got = ask();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), Code::kUnavailable);
  EXPECT_THAT(got.status().message(), HasSubstr("about to die"));
}

TEST_F(Supervision, OneThatKeepsDyingIsGivenUp) {
  start({.fault = "kill-always"});
  for (int i = 0; i < 20 && predictor_->process()->state != ProcessFigures::State::kFailed; ++i)
    EXPECT_FALSE(ask().ok());
  const ProcessFigures figures = *predictor_->process();
  EXPECT_EQ(figures.state, ProcessFigures::State::kFailed);
  EXPECT_EQ(figures.pid, 0);
  EXPECT_EQ(figures.restarts, Restarts::kDeathsMax - 1);
  const auto begin = std::chrono::steady_clock::now();
  const auto got = ask();
  EXPECT_EQ(got.status().code(), Code::kUnavailable);
  EXPECT_THAT(got.status().message(), HasSubstr("given up"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5000)) << "nobody waits for it";
  EXPECT_TRUE(processes_of(folder_.path()).empty());
}

TEST_F(Supervision, KilledFromOutsideBetweenRequests) {
  start({});
  for (int round = 0; round < 3; ++round) {
    const pid_t pid = predictor_->process()->pid;
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    expect_right(ask());
    EXPECT_NE(predictor_->process()->pid, pid);
  }
}

TEST_F(Supervision, KilledUnderManyRequests) {
  start({.fault = "slow"});
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) threads.emplace_back([&] { failed += !ask().ok(); });
  std::this_thread::sleep_for(milliseconds(100));
  ::kill(predictor_->process()->pid, SIGKILL);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(predictor_->process()->restarts, 1u);
}

TEST_F(Supervision, AStoppedProcessCostsOneDeadlineAndIsReplaced) {
  start({.fault = "stop-once", .deadline = milliseconds(1500)});
  const pid_t first = predictor_->process()->pid;
  const auto got = ask();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), Code::kDeadlineExceeded) << got.status().message();
  EXPECT_THAT(got.status().message(), HasSubstr("1500 ms"));
  wait_for_another(first);
  expect_right(ask());
  EXPECT_EQ(start_ticks(first), std::nullopt);
}

TEST_F(Supervision, OneThatIsOnlyBusyIsKept) {
  start({.fault = "slow", .deadline = milliseconds(450)});
  const pid_t first = predictor_->process()->pid;
  // More than it can answer by then: 300 ms each, 16 at once.
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int t = 0; t < 40; ++t) threads.emplace_back([&] { answered += ask().ok(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(predictor_->process()->pid, first) << predictor_->process()->trouble << answered;
}

TEST_F(Supervision, AMemoryBombIsEnded) {
  start({.fault = "bomb-once", .memory_bytes = 200 * kMB});
  const auto got = ask();
  expect_right(got);
  EXPECT_THAT(predictor_->process()->trouble, HasSubstr("predict.memory allows 200 MB"));
}

TEST_F(Supervision, AMemoryBombInAChildIsEnded) {
  start({.fault = "child-bomb-once", .memory_bytes = 200 * kMB});
  expect_right(ask());
  EXPECT_THAT(predictor_->process()->trouble, HasSubstr("predict.memory allows 200 MB"));
  EXPECT_EQ(processes_of(folder_.path()).size(), 1u);
}

struct Garbage {
  const char* fault;
  Code code;
  const char* says;
};

class Answers : public Supervision, public ::testing::WithParamInterface<Garbage> {};

TEST_P(Answers, ThatAreUnsoundNeverPass) {
  start({.fault = GetParam().fault});
  const auto got = ask();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), GetParam().code) << got.status().message();
  EXPECT_THAT(got.status().message(), HasSubstr(GetParam().says));
  EXPECT_LT(got.status().message().size(), 2000u);
}

INSTANTIATE_TEST_SUITE_P(Table, Answers,
                         ::testing::Values(Garbage{"too-few", Code::kInternal, "1 values for 5 rows of 1"},
                                           Garbage{"nan", Code::kInternal, "not JSON"},
                                           Garbage{"null", Code::kInternal, "value 0 is null"},
                                           Garbage{"not-json", Code::kInternal, "not JSON"},
                                           Garbage{"huge", Code::kInternal, "far larger"},
                                           Garbage{"error-500", Code::kInternal,
                                                   "division by zero in predict()"}),
                         [](const auto& info) {
                           std::string name = info.param.fault;
                           std::erase(name, '-');
                           return name;
                         });

TEST_F(Supervision, ServersThatCloseAfterEachAnswerAreFine) {
  start({.fault = "http-1.0"});
  for (int i = 0; i < 5; ++i) expect_right(ask());
  EXPECT_EQ(predictor_->process()->restarts, 0u);
}

TEST_F(Supervision, ASlowStartIsWaitedFor) {
  start({.fault = "slow-start"});
  expect_right(ask());
}

TEST_F(Supervision, OneThatIsNeverReadyIsRefused) {
  for (const char* fault : {"late", "never-ready"}) {
    const Status status = refusal({.fault = fault, .start_within = milliseconds(300)});
    EXPECT_THAT(status.message(), HasSubstr("not ready within 0.3 s (predict.start_within)")) << fault;
  }
}

TEST_F(Supervision, OneThatExitsAtOnceIsRefusedWithItsLastWords) {
  const Status status = refusal({.fault = "exit-3"});
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("exit code 3"), HasSubstr("no module named 'frobnicate'")));
}

TEST_F(Supervision, AProgramThatIsNotThereIsRefused) {
  ProcessOptions options;
  options.supervisor.argv = {"/no/such/program"};
  options.supervisor.scratch = options.supervisor.folder = folder_.path();
  const auto refused = ProcessPredictor::start(linear_card(), std::move(options));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), HasSubstr("/no/such/program"));
}

TEST_F(Supervision, StrayChildrenGoWithIt) {
  start({.fault = "double-fork"});
  for (int i = 0; i < 2000 && !fs::exists(folder_.path() / "version" / "stray"); ++i)
    std::this_thread::sleep_for(milliseconds(5));
  expect_right(ask());
  EXPECT_GE(processes_of(folder_.path()).size(), 2u);
  predictor_.reset();
  EXPECT_TRUE(processes_of(folder_.path()).empty());
}

TEST_F(Supervision, ItsEnvironmentIsBareAndItGainsNoPrivileges) {
  ::setenv("SECRET_OF_THE_NODE", "1", 1);
  start({.fault = "environment"});
  ::unsetenv("SECRET_OF_THE_NODE");
  const std::string names = read_file(folder_.path() / "version" / "environment").value();
  EXPECT_THAT(names, Not(HasSubstr("SECRET")));
  EXPECT_THAT(names, AllOf(HasSubstr("REKINDLE_SOCKET"), HasSubstr("PATH")));
  const std::string status = read_file(folder_.path() / "version" / "status").value();
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
}

TEST_F(Supervision, WhatItPrintsIsBounded) {
  start({.fault = "chatty"});
  expect_right(ask());
  const fs::path log = folder_.path() / "scratch" / "log";
  EXPECT_GT(fs::file_size(log), 0u);
  EXPECT_LE(fs::file_size(log), 1u << 20);
  EXPECT_LE(fs::file_size(log.string() + ".1"), 1u << 20);
}

TEST_F(Supervision, AStopEndsRequestsThatWait) {
  std::stop_source stop;
  start({.fault = "stop-once", .stop = stop.get_token()});
  Result<Predictions> got = internal_error("not asked");
  std::thread asking([&] { got = ask(); });
  for (int i = 0; i < 2000 && !fs::exists(folder_.path() / "version" / "stopped"); ++i)
    std::this_thread::sleep_for(milliseconds(5));
  stop.request_stop();
  asking.join();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), Code::kCanceled);
  EXPECT_EQ(ask().status().code(), Code::kCanceled);
}

TEST_F(Supervision, TheProgramInThePagesWorks) {
  ProcessOptions options = process_options(folder_.path());
  const fs::path script = options.supervisor.folder / "predict.py";
  ASSERT_TRUE(write_file_durably(script, shown("python").at(0)).ok());
  options.supervisor.argv = {"/usr/bin/python3", script};
  v1::ModelCard card;
  card.set_model("m");
  card.add_inputs()->set_name("inbound_delay");
  card.mutable_inputs(0)->set_type(v1::NUMBER);
  auto served = ProcessPredictor::start(card, std::move(options));
  ASSERT_TRUE(served.ok()) << served.status().message();
  dataio::Table rows;
  rows.add(dataio::number_column("inbound_delay", {0, 59.5, NAN, 60, 400}));
  EXPECT_EQ((*served)->predict(rows)->values, (std::vector<double>{0.1, 0.1, 0.1, 0.7, 0.7}));
}

TEST_F(Supervision, AStopEndsAStart) {
  std::stop_source stop;
  Status status;
  std::thread starting([&] { status = refusal({.fault = "late", .stop = stop.get_token()}); });
  for (int i = 0; i < 4000 && processes_of(folder_.path()).empty(); ++i)
    std::this_thread::sleep_for(milliseconds(5));
  stop.request_stop();
  starting.join();
  EXPECT_EQ(status.code(), Code::kCanceled);
}

TEST(Restarts, TheFirstDeathCostsNoWaitAndManySoonAfterEndIt) {
  Restarts restarts;
  restarts.ready();
  const Restarts::Time start{};
  EXPECT_EQ(restarts.after_death(start), milliseconds(0));
  EXPECT_EQ(restarts.after_death(start + Seconds(1)), milliseconds(100));
  EXPECT_EQ(restarts.after_death(start + Seconds(2)), milliseconds(200));
  EXPECT_EQ(restarts.after_death(start + Seconds(3)), milliseconds(400));
  EXPECT_EQ(restarts.after_death(start + Seconds(4)), std::nullopt);
}

TEST(Restarts, DeathsOfLongAgoAreForgotten) {
  Restarts restarts;
  restarts.ready();
  for (int hour = 0; hour < 100; ++hour)
    EXPECT_EQ(restarts.after_death(Restarts::Time() + std::chrono::hours(hour)), milliseconds(0));
}

TEST(Restarts, OneThatNeverWasReadyIsGivenUpSooner) {
  Restarts restarts;
  EXPECT_TRUE(restarts.after_death(Restarts::Time()));
  EXPECT_TRUE(restarts.after_death(Restarts::Time()));
  EXPECT_FALSE(restarts.after_death(Restarts::Time()));
}

TEST(BoundedLog, KeepsTheLastLinesAndOneFileBefore) {
  TempFolder folder;
  BoundedLog log(folder.path() / "log", 1000);
  for (int i = 0; i < 500; ++i) log.add("line " + std::to_string(i) + "\n");
  log.add("\x1b[31mred\n\n");
  log.add("no end");
  EXPECT_EQ(log.tail(3), "line 499 |  [31mred | no end");
  EXPECT_LE(fs::file_size(folder.path() / "log"), 1000u);
  EXPECT_LE(fs::file_size(folder.path() / "log.1"), 1000u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2);
}

}  // namespace
}  // namespace rekindle::models::testing
