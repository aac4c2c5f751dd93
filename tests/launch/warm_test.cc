// Gangs that come from a process which is kept loaded: they are what started programs are, and nothing
// depends on that process.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/process.h"
#include "jobs/pools/pools.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;

class Warm : public AttemptTest {
 protected:
  void SetUp() override {
    launcher_ = make_local_launcher({.gang_program = bin_folder() / "rekindle-gang",
                                     .trainer_program = test_rank(),
                                     .warm = true,
                                     .stop_grace = std::chrono::milliseconds(300)});
    launcher_->use(jobs::default_pools());
  }

  pid_t started(const AttemptFolder& folder) {
    EXPECT_TRUE(launcher_->start(folder).ok());
    EXPECT_TRUE(eventually([&] { return launcher_->probe(folder).value().gang.has_value(); }));
    return launcher_->probe(folder).value().gang->pid();
  }
  static pid_t parent_of(pid_t pid) {
    for (const ProcessInfo& info : all_processes())
      if (info.pid == pid) return info.parent;
    return 0;
  }
  static std::string shown(pid_t pid) {
    std::string line = read_file(fmt::format("/proc/{}/cmdline", pid)).value();
    std::replace(line.begin(), line.end(), '\0', ' ');
    return line;
  }

  std::unique_ptr<Launcher> launcher_;
};

TEST_F(Warm, AGangIsAForkOfItAndLooksLikeAProgram) {
  const AttemptFolder one = attempt("wait"), other = attempt("wait");
  const pid_t first = started(one), second = started(other);
  EXPECT_EQ(parent_of(first), parent_of(second));
  EXPECT_THAT(shown(parent_of(first)), HasSubstr("rekindle-gang warm"));
  EXPECT_THAT(shown(first), HasSubstr("--folder " + one.root().string()));
  EXPECT_THAT(shown(second), HasSubstr("--folder " + other.root().string()));
  EXPECT_EQ(::getsid(first), first);
  // Neither the socket nor anything else of it is open there.
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", first))) {
    std::error_code gone;
    const std::string open = fs::read_symlink(entry.path(), gone).string();
    for (const char* other : {"socket:", "anon_inode:inotify", "/etc"})
      EXPECT_FALSE(open.starts_with(other)) << open;
  }
  finish(one, 0);
  finish(other, 0);
  EXPECT_EQ(wait_for(*launcher_, one, GangState::kEnded).exit->code(), 0);
  EXPECT_EQ(wait_for(*launcher_, other, GangState::kEnded).exit->code(), 0);
}

TEST_F(Warm, WhenItIsKilledItsGangsGoOnAndTheNextStartsAllTheSame) {
  const AttemptFolder one = attempt("wait"), other = attempt("wait");
  const pid_t gang = started(one), warm = parent_of(gang);
  ASSERT_GT(warm, 1);
  ASSERT_EQ(::kill(warm, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return parent_of(gang) != warm; }));
  const pid_t next = started(other);
  EXPECT_NE(parent_of(next), warm);
  for (const AttemptFolder& folder : {one, other}) {
    finish(folder, 0);
    EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).exit->code(), 0);
  }
}

TEST_F(Warm, ItGoesWithItsLauncherAndLeavesTheGangs) {
  const AttemptFolder folder = attempt("wait");
  const pid_t gang = started(folder), warm = parent_of(gang);
  const std::optional<uint64_t> born = start_ticks(warm);
  launcher_.reset();
  EXPECT_TRUE(eventually([&] { return start_ticks(warm) != born; })) << "it waits for nobody any more";
  launcher_ = local();
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kAlive);
  finish(folder, 0);
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).exit->code(), 0);
}

}  // namespace
}  // namespace rekindle::launch
