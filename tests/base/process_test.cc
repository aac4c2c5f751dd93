// How programs are started, with a copy of this process's memory and in it.
#include "base/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace rekindle {
namespace {

using testing::HasSubstr;

class Spawned : public testing::TestWithParam<bool> {
 protected:
  Spawned() {
    std::string name = (fs::temp_directory_path() / "rekindle-process-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    base_ = name;
  }
  ~Spawned() override { fs::remove_all(base_); }

  SpawnOptions shell(const std::string& script) const {
    SpawnOptions out;
    out.argv = {"sh", "-c", script};
    out.environment = {"PATH=/usr/bin:/bin", "OF=" + base_.string()};
    out.output = base_ / "output";
    out.in_place = GetParam();
    return out;
  }
  static int end_of(const Result<pid_t>& child) {
    EXPECT_TRUE(child.ok()) << child.status().to_string();
    int status = -1;
    if (!child.ok()) return status;
    EXPECT_EQ(::waitpid(*child, &status, 0), *child);
    return status;
  }
  std::string output() const { return read_file(base_ / "output").value(); }

  fs::path base_;
};
INSTANTIATE_TEST_SUITE_P(Child, Spawned, testing::Bool(),
                         [](const auto& info) { return info.param ? "InPlace" : "Copied"; });

TEST_P(Spawned, StartsWithACleanSlate) {
  ::signal(SIGUSR1, SIG_IGN);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const int open_here = ::open("/dev/null", O_RDONLY);
  EXPECT_EQ(end_of(spawn(shell("pwd; echo $OF; test -e /proc/self/fd/" + std::to_string(open_here) +
                               " && echo open; grep -E 'Sig(Blk|Ign)' /proc/self/status"))),
            0);
  ::close(open_here);
  EXPECT_EQ(output(), "/\n" + base_.string() + "\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  sigset_t after;
  ::sigprocmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGUSR2), 1) << "here all is as it was";
  EXPECT_EQ(::sigismember(&after, SIGUSR1), 0);
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST_P(Spawned, WhatItEntersIsItsAlone) {
  SpawnOptions how = shell("pwd; umask");
  how.folder = base_;
  const mode_t before = ::umask(022);
  how.enter = [] { return ::umask(027) == 022 ? 0 : EINVAL; };
  EXPECT_EQ(end_of(spawn(how)), 0);
  EXPECT_EQ(::umask(before), 022U);
  EXPECT_EQ(output(), base_.string() + "\n0027\n");
}

TEST_P(Spawned, AStartThatFailsIsAnError) {
  SpawnOptions how = shell("echo never");
  how.enter = [] { return EDQUOT; };
  EXPECT_EQ(spawn(how).status().code(), Code::kResourceExhausted);
  how = shell("");
  how.argv = {base_.string()};
  EXPECT_EQ(spawn(how).status().code(), Code::kPermissionDenied);
  how.argv = {"no-such-program"};
  EXPECT_THAT(spawn(how).status().message(), HasSubstr("no program no-such-program in PATH"));
  EXPECT_EQ(output(), "");
  EXPECT_TRUE(childless()) << "what failed has been waited for";
}

TEST_P(Spawned, DiesWithItsParent) {
  SpawnOptions how = shell("exec sleep 1000");
  how.die_with_parent = true;
  const pid_t between = ::fork();
  if (between == 0) ::_exit(spawn(how).ok() ? 0 : 1);
  EXPECT_EQ(end_of(between), 0);
  const std::string mark = "OF=" + base_.string();
  for (int i = 0; i < 2000 && !processes_with_environment(mark).empty(); ++i) ::usleep(5'000);
  EXPECT_TRUE(processes_with_environment(mark).empty());
}

}  // namespace
}  // namespace rekindle
