// What every launcher must do, run on the fake and on the real one.
#include <gmock/gmock.h>

#include "launch/fake.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

class Contract : public AttemptTest, public testing::WithParamInterface<const char*> {
 protected:
  bool real() const { return std::string(GetParam()) == "local"; }
  std::unique_ptr<Launcher> make() {
    if (real()) return local();
    return std::make_unique<FakeLauncher>();
  }
  // Ends a waiting attempt with this code.
  void end(Launcher& launcher, const AttemptFolder& folder, int code) {
    if (real()) {
      finish(folder, code);
      return;
    }
    v1::ExitRecord record;
    record.set_code(code);
    static_cast<FakeLauncher&>(launcher).end(folder, record);
  }
  void lose(Launcher& launcher, const AttemptFolder& folder) {
    if (real()) {
      ::kill(launcher.probe(folder).value().gang->pid(), SIGKILL);
      return;
    }
    static_cast<FakeLauncher&>(launcher).lose(folder);
  }
  std::unique_ptr<Launcher> launcher_ = make();
};

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
  end(*launcher_, folder, 65);
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
  end(*launcher_, folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
  ASSERT_TRUE(launcher_->start(folder).ok());
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kEnded);
  EXPECT_EQ(folder.read_gang().value()->pid(), pid);
}

TEST_P(Contract, AnotherLauncherAdoptsWhatThisOneStarted) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  wait_for(*launcher_, folder, GangState::kAlive);
  launcher_ = make();
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kAlive);
  ASSERT_TRUE(launcher_->start(folder).ok());
  end(*launcher_, folder, 3);
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).exit->code(), 3);
  EXPECT_TRUE(launcher_->signal(folder, Signal::kStop).ok());
}

TEST_P(Contract, AGangThatVanishesIsLost) {
  const AttemptFolder folder = attempt("wait");
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
  lose(*launcher_, folder);
  const GangState state = wait_for(*launcher_, folder, GangState::kLost);
  EXPECT_FALSE(state.detail.empty());
  EXPECT_TRUE(launcher_->start(folder).ok());
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kLost);
}

INSTANTIATE_TEST_SUITE_P(Launchers, Contract, testing::Values("fake", "local"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rekindle::launch
