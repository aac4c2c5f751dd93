// The disk that holds the checkpoints fills up while a fit goes on: training does not stop, the checkpoint
// from before stays whole, and what was full is said. On a small tmpfs; skipped where one cannot be mounted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <fstream>

#include "base/hash.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    plan_ = run_.plan(2);
    auto* every = plan_.mutable_spec()->mutable_train()->mutable_checkpoints()->mutable_every();
    every->set_seconds(0);
    every->set_nanos(20'000'000);
    plan_.set_fault("slow ms=10 attempt=0");
    fs::create_directories(plan_.checkpoints());
    if (::mount("tmpfs", plan_.checkpoints().c_str(), "tmpfs", 0, "size=600k") != 0)
      GTEST_SKIP() << "a tmpfs cannot be mounted here: " << std::strerror(errno);
    mounted_ = true;
  }
  ~FullDisk() override {
    if (mounted_) ::umount2(plan_.checkpoints().c_str(), MNT_DETACH);
  }
  // Once a checkpoint is there, takes all the room that is left.
  void fill_after_first_checkpoint() {
    for (int i = 0; i < 6000; ++i) {
      bool committed = false;
      if (fs::exists(run_.folder(plan_).report(0))) {
        for (const auto& r : run_.reports(plan_, 0)) committed |= r.checkpoint().step() > 0;
      }
      if (committed) break;
      usleep(5'000);
    }
    std::ofstream filler(filler_path(), std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), 4096).flush()) {
    }
  }
  fs::path filler_path() const { return fs::path(plan_.checkpoints()) / "filler"; }
  bool said_so() const {
    for (const auto& r : run_.reports(plan_, 0)) {
      if (r.note().text().find("No space left") != std::string::npos) return true;
    }
    return false;
  }
  static std::string uninterrupted() {
    TestRun run;
    EXPECT_EQ(run.run(run.plan(2)).code, 0);
    return run.outcome(run.plan(2)).parameters_sha256();
  }

  TestRun run_;
  v1::Plan plan_;
  bool mounted_ = false;
};

TEST_F(FullDisk, TrainingGoesOnToItsEnd) {
  auto ended = run_.run(plan_, [&](int) { fill_after_first_checkpoint(); });
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_TRUE(said_so()) << ended.log;
  EXPECT_EQ(run_.outcome(plan_).parameters_sha256(), uninterrupted());
}

TEST_F(FullDisk, TheCheckpointFromBeforeIsResumedOnceThereIsRoom) {
  plan_.set_fault("slow ms=10 attempt=0; kill rank=1 step=50");
  auto ended = run_.run(plan_, [&](int) { fill_after_first_checkpoint(); });
  EXPECT_NE(ended.code, 0);
  EXPECT_TRUE(said_so()) << ended.log;
  run_.await_no_process(plan_);
  fs::remove(filler_path());
  plan_.set_attempt(2);
  ended = run_.run(plan_);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_GT(run_.outcome(plan_).resumed_from_step(), 0u);
  EXPECT_LT(run_.outcome(plan_).resumed_from_step(), 50u);
  EXPECT_EQ(run_.outcome(plan_).parameters_sha256(), uninterrupted());
}

}  // namespace
}  // namespace rekindle::trainer
