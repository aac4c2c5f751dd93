// The cases of the launchers' contract.
#include "tests/launch/contract.h"

namespace rekindle::launch {
namespace {

TEST_P(Contract, NothingHasStartedAtFirst) {
  const AttemptFolder folder = attempt("wait");
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kNotStarted);
  EXPECT_EQ(launcher_->signal(folder, Signal::kYield).code(), Code::kNotFound);
}

TEST_P(Contract, AFolderWithoutAPlanIsRefused) {
  EXPECT_EQ(launcher_->start(AttemptFolder(base_ / "nothing")).code(), Code::kNotFound);
}

TEST_P(Contract, RunsFromStartToEnd) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  const GangState alive = wait_for(*launcher_, folder, GangState::kAlive);
  EXPECT_FALSE(alive.exit.has_value());
  GetParam().end(*launcher_, folder, 65);
  const GangState ended = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(ended.exit->code(), 65);
  EXPECT_TRUE(ended.gang.has_value());
}

TEST_P(Contract, StartingAgainChangesNothing) {
  const AttemptFolder folder = attempt("wait");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(launcher_->start(folder).ok());
  const GangState alive = wait_for(*launcher_, folder, GangState::kAlive);
  ASSERT_TRUE(eventually([&] { return folder.read_gang().value().has_value(); }));
  const int32_t pid = folder.read_gang().value()->pid();
  ASSERT_TRUE(launcher_->start(folder).ok());
  GetParam().end(*launcher_, folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
  ASSERT_TRUE(launcher_->start(folder).ok());
  wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(folder.read_gang().value()->pid(), pid);
}

TEST_P(Contract, AnotherLauncherAdoptsWhatThisOneStarted) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  wait_for(*launcher_, folder, GangState::kAlive);
  launcher_ = GetParam().make();
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kAlive);
  ASSERT_TRUE(launcher_->start(folder).ok());
  GetParam().end(*launcher_, folder, 3);
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).exit->code(), 3);
  EXPECT_TRUE(launcher_->signal(folder, Signal::kStop).ok());
}

TEST_P(Contract, AGangThatVanishesIsLost) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  GetParam().lose(*launcher_, folder);
  const GangState state = wait_for(*launcher_, folder, GangState::kLost);
  EXPECT_FALSE(state.detail.empty());
  EXPECT_TRUE(launcher_->start(folder).ok());
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kLost);
}

// A supervisor that is kept from ending them is no proof that they have ended.
TEST_P(Contract, AKillEndsItForGood) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  if (GetParam().name == "fake") return;  // has nothing to kill
  ASSERT_TRUE(launcher_->signal(folder, Signal::kKill).ok());
  ASSERT_TRUE(eventually([&] {
    const GangState::Kind kind = launcher_->probe(folder).value().kind;
    return kind == GangState::kEnded || kind == GangState::kLost;
  }));
  EXPECT_TRUE(eventually([&] { return processes_of(folder).empty(); }));
}

TEST_P(Contract, AYieldReachesEveryRank) {
  if (GetParam().name == "fake") return;  // has no ranks
  const AttemptFolder folder = attempt("wait", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 2));
  ASSERT_TRUE(launcher_->signal(folder, Signal::kYield).ok());
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).exit->code(), kExitYielded);
  for (int rank = 0; rank < 2; ++rank)
    EXPECT_EQ(read_file(folder.log(rank)).value(), "rank " + std::to_string(rank) + "\n");
}

}  // namespace
}  // namespace rekindle::launch
