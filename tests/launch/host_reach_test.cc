// A fence that was begun before anybody asked for it is the one that would be made now, file by file.
#include "launch/confine/host_reach.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "launch/confine/reach.h"

namespace rekindle::launch {
namespace {

using runtime::Landlock;
using testing::Contains;
using testing::Not;

class Reaches : public testing::Test {
 protected:
  Reaches() {
    std::string name = (fs::temp_directory_path() / "rekindle-reach-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    base_ = name;
    for (const char* folder : {"etc/plain", "etc/mixed", "dev", "elsewhere"})
      fs::create_directories(base_ / folder);
    for (const char* file : {"etc/open", "etc/plain/one", "etc/mixed/one", "dev/null", "dev/disk",
                             "elsewhere/first", "elsewhere/second"})
      put(file, 0644);
    for (const char* file : {"etc/secret", "etc/mixed/key", "elsewhere/secret"}) put(file, 0600);
    fs::create_symlink("../elsewhere/first", base_ / "etc/link");
    fs::create_symlink("../elsewhere/secret", base_ / "etc/link-to-secret");
  }
  ~Reaches() override { fs::remove_all(base_); }
  void SetUp() override {
    if (runtime::landlock_abi() < runtime::kLandlockAbiMin) GTEST_SKIP() << "this host has no Landlock";
  }

  // Another file each time, under the same name.
  void put(const std::string& name, mode_t mode) {
    const fs::path file = base_ / name, made = base_ / "made";
    ASSERT_TRUE(write_file_durably(made, "text", static_cast<int>(mode)).ok());
    ASSERT_EQ(::chmod(made.c_str(), mode), 0);
    fs::rename(made, file);
  }

  std::map<std::string, bool> opened_within(const Landlock& fence) {
    std::map<std::string, bool> out;
    for (const auto& entry : fs::recursive_directory_iterator(base_)) {
      const std::string path = entry.path().string();
      const pid_t child = ::fork();
      if (child == 0) {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || fence.enter() != 0) ::_exit(9);
        ::_exit(::open(path.c_str(), O_RDONLY) >= 0 ? 0 : 1);
      }
      int status = 9;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_NE(WEXITSTATUS(status), 9);
      out[entry.path().lexically_relative(base_)] = status == 0;
    }
    return out;
  }
  std::map<std::string, bool> opened_within_begun(HostReach& reach) {
    reach.begin_fence();
    std::optional<HostReach::Begun> begun = reach.take_fence({});
    EXPECT_TRUE(begun.has_value());
    if (!begun) return {};
    EXPECT_TRUE(allow_all(begun->fence, begun->missing, {}).ok());
    return opened_within(begun->fence);
  }
  std::map<std::string, bool> opened_within_begun_or_found(HostReach& reach) {
    std::optional<HostReach::Begun> begun = reach.take_fence({});
    if (!begun) return opened_within_found(reach);
    EXPECT_TRUE(allow_all(begun->fence, begun->missing, {}).ok());
    return opened_within(begun->fence);
  }
  std::map<std::string, bool> opened_within_new() {
    HostReach reach(base_ / "etc", base_ / "dev");
    return opened_within_found(reach);
  }
  std::map<std::string, bool> opened_within_found(HostReach& reach) {
    Landlock fence = Landlock::make(true).value();
    EXPECT_TRUE(allow_all(fence, reach.settings(), {}).ok());
    EXPECT_TRUE(allow_all(fence, reach.devices(), {}).ok());
    return opened_within(fence);
  }

  fs::path base_;
};

TEST_F(Reaches, WhatOnlyTheOwnerMayReadIsShut) {
  const auto open = opened_within_new();
  for (const char* file :
       {"etc/open", "etc/plain/one", "etc/mixed/one", "etc/link", "dev/null", "elsewhere/first"})
    EXPECT_TRUE(open.at(file)) << file;
  for (const char* file : {"etc/secret", "etc/mixed/key", "etc/link-to-secret", "elsewhere/secret",
                           "elsewhere/second", "dev/disk"})
    EXPECT_FALSE(open.at(file)) << file;
}

TEST_F(Reaches, ABegunFenceIsTheOneThatWouldBeMadeNow) {
  HostReach reach(base_ / "etc", base_ / "dev");
  EXPECT_EQ(opened_within_begun(reach), opened_within_new());
  EXPECT_EQ(opened_within_begun(reach), opened_within_new()) << "nor is the next another";
}

TEST_F(Reaches, WhatChangesBeforeItIsAskedForIsHeard) {
  HostReach reach(base_ / "etc", base_ / "dev");
  const std::pair<const char*, std::function<void()>> changes[] = {
      {"replaced", [&] { put("etc/open", 0644); }},
      {"replaced by one that is shut", [&] { put("etc/open", 0600); }},
      {"opened", [&] { fs::permissions(base_ / "etc/secret", fs::perms(0644)); }},
      {"shut", [&] { fs::permissions(base_ / "etc/secret", fs::perms(0600)); }},
      {"new", [&] { put("etc/new", 0644); }},
      {"new, and shut", [&] { put("etc/new-secret", 0600); }},
      {"replaced below", [&] { put("etc/mixed/one", 0644); }},
      {"shut below", [&] { fs::permissions(base_ / "etc/mixed/one", fs::perms(0600)); }},
      {"a folder moved away", [&] { fs::rename(base_ / "etc/plain", base_ / "etc/moved"); }},
      {"a new device", [&] { put("dev/zero", 0644); }},
      {"a link led elsewhere",
       [&] {
         fs::remove(base_ / "etc/link");
         fs::create_symlink("../elsewhere/second", base_ / "etc/link");
       }},
      {"what a link leads to replaced", [&] { put("elsewhere/second", 0644); }},
  };
  for (const auto& [what, change] : changes) {
    reach.begin_fence();
    HostReach waiting(base_ / "etc", base_ / "dev");  // as in a fork that waits to be asked for
    waiting.begin_fence();
    waiting.forked();
    change();
    EXPECT_EQ(opened_within_begun(reach), opened_within_new()) << what;
    waiting.asked_for([] { return false; });
    EXPECT_EQ(opened_within_begun_or_found(waiting), opened_within_new()) << what << ", while it waits";
  }
}

TEST_F(Reaches, AForkThatWaitedHasTheFenceUnlessItsParentRenews) {
  for (const bool renews : {false, true}) {
    HostReach reach(base_ / "etc", base_ / "dev");
    reach.begin_fence();
    reach.forked();
    reach.asked_for([renews] { return renews; });
    EXPECT_EQ(reach.take_fence({}).has_value(), !renews);
    EXPECT_EQ(opened_within_found(reach), opened_within_new());
  }
}

TEST_F(Reaches, NoneIsBegunAroundWhatIsHidden) {
  HostReach reach(base_ / "etc", base_ / "dev");
  for (const auto& [hidden, begun] : {std::pair("etc/plain", false), {"dev", false}, {"elsewhere", true}}) {
    reach.begin_fence();
    EXPECT_EQ(reach.take_fence({base_ / hidden}).has_value(), begun) << hidden;
  }
}

TEST_F(Reaches, AFolderInAnotherIsNamedOnlyInWhatIsHidden) {
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/usr/local/bin:/usr/bin", 1);
  HostReach reach(base_ / "etc", base_ / "dev");
  const auto named = [&](const fs::path& hidden) {
    std::vector<std::string> out;
    for (const Grant& grant : reach.folders({hidden})) out.push_back(grant.path.string());
    return out;
  };
  EXPECT_THAT(named(base_), Contains("/usr"));
  EXPECT_THAT(named(base_), Not(Contains("/usr/local/bin")));
  EXPECT_THAT(named("/usr/local"), Contains("/usr/local/bin"));
  EXPECT_THAT(named("/usr/local"), Not(Contains("/usr/bin")));
  ::setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace rekindle::launch
