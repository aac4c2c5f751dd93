// The launcher on a Slurm that answers late, wrongly or never.
#include <gmock/gmock.h>

#include "launch/gang/gang.h"
#include "launch/gang_lock.h"
#include "tests/launch/slurm_fixture.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;

class SlurmFaults : public AttemptTest {
 protected:
  std::unique_ptr<Launcher> make() const { return make_slurm_launcher(pool_, test_programs()); }
  GangState::Kind kind(const AttemptFolder& folder) { return launcher_->probe(folder).value().kind; }
  bool becomes(const AttemptFolder& folder, GangState::Kind wanted, const std::string& text) {
    return eventually([&] {
      const GangState state = launcher_->probe(folder).value();
      return state.kind == wanted && state.detail.find(text) != std::string::npos;
    });
  }
  // It stays so over many listings.
  void stays(const AttemptFolder& folder, GangState::Kind wanted) {
    for (int i = 0; i < 60; ++i) {
      ASSERT_EQ(kind(folder), wanted) << launcher_->probe(folder).value().detail;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  void answer_within(std::chrono::milliseconds limit) {
    *pool_.mutable_slurm()->mutable_answer_within() = to_proto(limit);
    launcher_ = make();
  }

  FakeSlurm slurm_;
  v1::Pool pool_ = slurm_.pool();
  std::unique_ptr<Launcher> launcher_ = make();
};

TEST_F(SlurmFaults, ALostAnswerIsFoundAgainByTheComment) {
  answer_within(Seconds(3));
  slurm_.behave("sbatch lost");
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  wait_for(*launcher_, folder, GangState::kAlive);
  slurm_.behave("");
  ASSERT_TRUE(eventually([&] {
    launcher_->probe(folder).value();
    return slurm_.jobs() == 1;
  }));
  finish(folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(slurm_.jobs(), 1u) << "never submitted twice";
}

TEST_F(SlurmFaults, ACoordinatorThatDiedBeforeTheAnswerFindsItsJob) {
  answer_within(Seconds(20));
  slurm_.behave("sbatch lost");
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return slurm_.jobs() == 1; }));
  launcher_ = make();  // ends the sbatch that is under way
  slurm_.behave("");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(becomes(folder, GangState::kAlive, ""));
  // The number is written down as soon as a listing has it; only then can the job be told anything.
  ASSERT_TRUE(eventually([&] { return launcher_->signal(folder, Signal::kYield).ok(); }));
  wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(slurm_.jobs(), 1u);
}

TEST_F(SlurmFaults, ASubmissionThatNeverTurnsUpIsBarredBeforeItIsGivenUp) {
  *pool_.mutable_slurm()->mutable_search() = to_proto(std::chrono::seconds(2));
  answer_within(std::chrono::seconds(1));  // of squeue too, on a machine that is busy
  slurm_.behave("sbatch ghost");
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(becomes(folder, GangState::kQueued, "being looked for"));
  const GangState state = wait_for(*launcher_, folder, GangState::kLost);
  EXPECT_EQ(state.end, v1::END_LAUNCH_FAILED);
  EXPECT_THAT(state.detail, HasSubstr("answer to its submission was lost"));
  // Should it turn up after all, it starts nothing.
  const runtime::Captured late = runtime::capture({(bin_folder() / "rekindle-gang").string(), "--folder",
                                                   folder.root().string(), "--trainer", test_rank().string()},
                                                  bare_environment(), "/")
                                     .value();
  EXPECT_EQ(late.code, kGangUsed) << late.tail;
  EXPECT_FALSE(fs::exists(folder.log(0)));
  launcher_ = make();
  EXPECT_EQ(launcher_->probe(folder).value().end, v1::END_LAUNCH_FAILED) << "and a restart knows it";
}

TEST_F(SlurmFaults, SilenceAndNonsenseEndNothing) {
  answer_within(Seconds(2));
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  const pid_t gang = folder.read_gang().value()->pid();
  for (const char* how : {"squeue hang", "squeue fail", "squeue garbage"}) {
    SCOPED_TRACE(how);
    slurm_.behave(how);
    launcher_ = make();
    stays(folder, GangState::kAlive);
  }
  slurm_.behave("squeue fail");
  ::kill(gang, SIGKILL);
  ASSERT_TRUE(eventually([&] { return !gang_lock_held(folder).value(); }));
  stays(folder, GangState::kAlive);
  EXPECT_THAT(launcher_->trouble("cluster"), HasSubstr("Unable to contact slurm controller"));
  slurm_.behave("");
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kLost).end, v1::END_NODE_LOST);
}

// A listing that lacks a job whose supervisor holds its lock is wrong, not the lock.
TEST_F(SlurmFaults, ALivingGangIsAliveWhateverSlurmSays) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  for (const char* how : {"squeue empty", "state NODE_FAIL", "state COMPLETED", "state WHATEVER"}) {
    SCOPED_TRACE(how);
    slurm_.behave(how);
    launcher_ = make();
    stays(folder, GangState::kAlive);
  }
  slurm_.behave("");
  finish(folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
}

// It had called the node failed while the gang lived: that says nothing of its ranks once the supervisor is
// gone.
TEST_F(SlurmFaults, WhatSlurmSaidBeforeASupervisorsEndIsNoWordOfItsRanks) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  slurm_.behave("state NODE_FAIL");
  stays(folder, GangState::kAlive);  // for several listings
  slurm_.behave("squeue fail");
  ASSERT_TRUE(eventually([&] { return !launcher_->trouble("cluster").empty(); }));
  ::kill(folder.read_gang().value()->pid(), SIGKILL);
  ASSERT_TRUE(becomes(folder, GangState::kAlive, "its supervisor is gone"));
  stays(folder, GangState::kAlive);
  slurm_.behave("");
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kLost).end, v1::END_NODE_LOST);
}

TEST_F(SlurmFaults, OfASubmissionThatWasTakenTwiceTheJobThatMayHaveRanksCounts) {
  slurm_.behave("sbatch twice");
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  ASSERT_EQ(slurm_.jobs(), 2u);
  slurm_.behave("over RUNNING");  // Slurm has not ended the ranks yet
  ::kill(folder.read_gang().value()->pid(), SIGKILL);
  ASSERT_TRUE(eventually([&] { return !gang_lock_held(folder).value(); }));
  stays(folder, GangState::kAlive);
  slurm_.behave("");
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kLost).end, v1::END_NODE_LOST);
  EXPECT_TRUE(eventually([&] { return !slurm_.cancels().empty(); })) << "the one that waits";
}

TEST_F(SlurmFaults, RefusalsAreFinalOrNotBySlurmsWord) {
  slurm_.behave("sbatch refuse Invalid account or account/partition combination specified");
  const AttemptFolder wrong = attempt("wait");
  ASSERT_TRUE(launcher_->start(wrong).ok());
  EXPECT_EQ(wait_for(*launcher_, wrong, GangState::kLost).end, v1::END_SPEC_REFUSED);
  slurm_.behave("sbatch refuse Slurm temporarily unable to accept job, sleeping and retrying");
  const AttemptFolder busy = attempt("wait");
  ASSERT_TRUE(launcher_->start(busy).ok());
  EXPECT_EQ(wait_for(*launcher_, busy, GangState::kLost).end, v1::END_LAUNCH_FAILED);
  slurm_.behave("sbatch crash");
  const AttemptFolder crashed = attempt("wait");
  ASSERT_TRUE(launcher_->start(crashed).ok());
  ASSERT_TRUE(becomes(crashed, GangState::kQueued, "being looked for")) << "nobody said no";
  EXPECT_EQ(slurm_.jobs(), 0u);
}

TEST_F(SlurmFaults, APendingJobSaysWhyAndWhatToDo) {
  slurm_.behave("pend Resources");
  const AttemptFolder waits = attempt("wait");
  ASSERT_TRUE(launcher_->start(waits).ok());
  ASSERT_TRUE(becomes(waits, GangState::kQueued, "waits in Slurm's queue: Resources"));
  slurm_.behave("pend JobHeldUser");
  const AttemptFolder held = attempt("wait");
  ASSERT_TRUE(launcher_->start(held).ok());
  ASSERT_TRUE(becomes(held, GangState::kQueued, "scontrol release"));
  slurm_.behave("pend PartitionTimeLimit");
  const AttemptFolder never = attempt("wait");
  ASSERT_TRUE(launcher_->start(never).ok());
  const GangState state = wait_for(*launcher_, never, GangState::kLost);
  EXPECT_EQ(state.end, v1::END_SPEC_REFUSED);
  EXPECT_THAT(state.detail, HasSubstr("lower `time` in pools.yaml"));
  EXPECT_TRUE(eventually([&] { return slurm_.cancels() == "3\n"; })) << slurm_.cancels();
  stays(waits, GangState::kQueued);
}

TEST_F(SlurmFaults, AKillTakesAJobOutOfTheQueue) {
  slurm_.behave("pend Priority");
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(becomes(folder, GangState::kQueued, "Priority"));
  EXPECT_EQ(launcher_->signal(folder, Signal::kYield).code(), Code::kNotFound) << "there is nothing to save";
  ASSERT_TRUE(launcher_->signal(folder, Signal::kKill).ok());
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kLost).end, v1::END_CANCELLED);
}

// By hand, or by an administrator: it is no crash, and nobody wants another attempt.
TEST_F(SlurmFaults, ACancelOutsideIsNoCrash) {
  for (const char* accounts : {"", "accounts 1000"}) {
    SCOPED_TRACE(accounts);
    slurm_.behave(accounts);
    launcher_ = make();
    const AttemptFolder folder = attempt("wait", 2);
    ASSERT_TRUE(launcher_->start(folder).ok());
    ASSERT_TRUE(ranks_ready(folder, 2));
    slurm_.run({"scancel", std::to_string(slurm_.jobs())});
    const GangState state = wait_for(*launcher_, folder, GangState::kEnded);
    EXPECT_EQ(state.end, v1::END_CANCELLED);
    EXPECT_EQ(state.detail,
              *accounts == 0 ? "cancelled in Slurm (job 1)" : "cancelled in Slurm by uid 1000 (job 2)");
    EXPECT_TRUE(fs::exists(folder.exit())) << "its supervisor had its time";
  }
}

// What Slurm did to a job explains how its gang ended; what the gang did itself is its own.
TEST_F(SlurmFaults, AnEndBySlurmIsWhatSlurmSays) {
  for (const auto& [over, end] : {std::pair("over PREEMPTED", v1::END_PREEMPTED),
                                  {"over NODE_FAIL", v1::END_NODE_LOST},
                                  {"over TIMEOUT", v1::END_HANG},
                                  {"over OUT_OF_MEMORY", v1::END_OUT_OF_MEMORY},
                                  {"over PENDING", v1::END_NODE_LOST},
                                  {"", v1::END_UNSPECIFIED}}) {
    SCOPED_TRACE(over);
    slurm_.behave(over);
    const AttemptFolder folder = attempt("wait");
    ASSERT_TRUE(launcher_->start(folder).ok());
    ASSERT_TRUE(ranks_ready(folder, 1));
    finish(folder, 3);
    EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).end, end);
  }
  slurm_.behave("over PREEMPTED");
  const AttemptFolder done = attempt("wait");
  ASSERT_TRUE(launcher_->start(done).ok());
  ASSERT_TRUE(ranks_ready(done, 1));
  ASSERT_TRUE(done.write_outcome({}).ok());
  finish(done, 0);
  EXPECT_EQ(wait_for(*launcher_, done, GangState::kEnded).end, v1::END_UNSPECIFIED) << "its outcome counts";
}

// An end is not told before Slurm has told its part of it, and not made up either.
TEST_F(SlurmFaults, AnEndWaitsForSlurmsWord) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 1));
  slurm_.behave("squeue fail");
  finish(folder, 3);
  ASSERT_TRUE(becomes(folder, GangState::kEnding, "Slurm has not said yet"));
  stays(folder, GangState::kEnding);
  slurm_.behave("squeue empty");
  const GangState state = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(state.end, v1::END_UNSPECIFIED) << "it knows nothing of the job";
  EXPECT_EQ(state.exit->code(), 3);
}

TEST_F(SlurmFaults, AKillOfALostSubmissionWaitsForItsJob) {
  answer_within(Seconds(3));
  slurm_.behave("sbatch lost\npend Priority");
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(launcher_->signal(folder, Signal::kKill).ok());
  slurm_.behave("sbatch lost\npend Priority");
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kLost).end, v1::END_CANCELLED);
  EXPECT_EQ(slurm_.jobs(), 1u);
}

INSTANTIATE_TEST_SUITE_P(FakeSlurm, Contract,
                         testing::Values(Subject{"slurm_fake",
                                                 [] {
                                                   static const FakeSlurm slurm;
                                                   return make_slurm_launcher(slurm.pool(), test_programs());
                                                 },
                                                 finish_by_file, kill_supervisor}),
                         subject_name);

}  // namespace
}  // namespace rekindle::launch
