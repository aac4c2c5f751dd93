// The watching of attempts, turn by turn: when one may be given up.
#include "coordinator/attempts/attempt_thread.h"

#include "launch/gang_lock.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

class OneHand final : public Hands {
 public:
  void begin(Worker& worker) override { worker_ = &worker; }
  void wake(Worker&) override {}
  void end(Worker&) override { worker_ = nullptr; }
  void turn() { worker_->take_turn(); }

 private:
  Worker* worker_ = nullptr;
};

class GivingUp : public testing::Test {
 protected:
  void start() {
    v1::Plan plan;
    plan.set_run("demand-1");
    plan.set_attempt(1);
    plan.set_world(1);
    attempts_.watch({"demand-1", 1}, folder_, 1, v1::Limits(), false);
    attempts_.start({"demand-1", 1}, plan, launch::Sync::kYes);
    hand_.turn();
  }
  void pass(Seconds by) {
    clock_.advance(by);
    hand_.turn();
  }

  TempFolder temp_;
  launch::AttemptFolder folder_{temp_.path() / "1"};
  launch::FakeLauncher launcher_;
  ManualClock clock_{time_from_micros(0)};
  OneHand hand_;
  std::vector<launch::Ending> endings_;
  AttemptThread attempts_{launcher_, clock_, {.hands = &hand_}, [this](const Observation& seen) {
                            if (seen.kind == Observation::kEnded) endings_.push_back(seen.ending);
                          }};
};

TEST_F(GivingUp, AStartThatFailedIsBarred) {
  launcher_.fail_starts(unavailable("fork: out of processes"));
  start();
  ASSERT_EQ(endings_.size(), 1u);
  EXPECT_EQ(endings_[0].end, v1::END_LAUNCH_FAILED);
  EXPECT_TRUE(folder_.read_exit().value()->barred()) << "a gang that comes late finds it, and leaves";
}

TEST_F(GivingUp, AStartThatFailedWhileAGangOfTheAttemptLivesEndsNothing) {
  ASSERT_TRUE(folder_.create(v1::Plan()).ok());
  fs::remove(folder_.plan());
  std::optional<Fd> lock = launch::take_gang_lock(folder_).value();  // an earlier start came late
  launcher_.fail_starts(unavailable("fork: out of processes"));
  start();
  pass(Seconds(31));
  EXPECT_TRUE(endings_.empty());
  lock.reset();
  pass(Seconds(31));
  ASSERT_EQ(endings_.size(), 1u);
  EXPECT_EQ(endings_[0].end, v1::END_LAUNCH_FAILED);
}

TEST_F(GivingUp, WhatWasBarredIsToldAsItWasAfterARestart) {
  launcher_.fail_starts(failed_precondition("the pool allows one rank"));
  start();
  ASSERT_EQ(endings_.size(), 1u);
  const launch::Ending before = endings_[0];
  EXPECT_EQ(before.end, v1::END_SPEC_REFUSED);
  const launch::Ending after = launch::ending_of(folder_, launcher_.probe(folder_).value(), 1);
  EXPECT_EQ(after.end, before.end);
  EXPECT_EQ(after.message, before.message);
}

}  // namespace
}  // namespace rekindle::coordinator
