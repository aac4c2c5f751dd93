// Jobs in the name of their owners: tokens as they are read, commands as they are run, folders as they are
// shared, and the pool's launcher on a Slurm that is none.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/base64.h"
#include "launch/pools.h"
#include "launch/slurm/identity.h"
#include "launch/slurm/share.h"
#include "tests/launch/slurm_fixture.h"

namespace rekindle::launch {
namespace {

using slurm::Identity;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string token_with(const std::string& claims) {
  std::string payload = base64_encode(claims);
  while (payload.ends_with('=')) payload.pop_back();
  for (char& c : payload) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return "eyJhbGciOiJIUzI1NiJ9." + payload + ".c2ln";
}

TEST(SlurmToken, SaysWhoseItIsAndUntilWhen) {
  const auto claims =
      slurm::read_token("SLURM_JWT=" + token_with(R"({"exp":1795756519,"iat":1,"sun":"anna"})") + "\n");
  ASSERT_TRUE(claims.ok()) << claims.status().message();
  EXPECT_EQ(claims->user, "anna");
  EXPECT_EQ(claims->expires_us, 1795756519'000'000);
  EXPECT_EQ(slurm::read_token(token_with(R"({"username":"bert"})"))->user, "bert");
  EXPECT_EQ(slurm::read_token(token_with(R"({"username":"bert"})"))->expires_us, 0);
}

TEST(SlurmToken, WhatIsNoneIsRefusedAndNotRepeated) {
  for (const std::string& text :
       {std::string(), std::string("hunter2"), std::string("a.b"), std::string("a.!!.c"), token_with("[1]"),
        token_with(R"({"sun":"anna","exp":"soon"})"), token_with(R"({"sun":"anna","exp":-1})"),
        token_with(R"({"exp":1795756519})"), token_with(R"({"sun":"../etc"})"), token_with(R"({"sun":"-x"})"),
        std::string(100'000, 'a') + "." + std::string(100, 'b') + ".c"}) {
    const Status status = slurm::read_token(text).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text.substr(0, 60);
    if (text.size() > 3) {
      EXPECT_THAT(status.message(), Not(HasSubstr(text)));
    }
  }
  EXPECT_EQ(slurm::identity_of(token_with(R"({"sun":"root"})")).status().code(), Code::kPermissionDenied);
  EXPECT_THAT(slurm::identity_of(token_with(R"({"sun":"nobody-of-that-name"})")).status().message(),
              HasSubstr("this host knows no user"));
}

TEST(SlurmToken, GoesIntoTheEnvironmentOfTheCommandAlone) {
  const Identity anna{
      .token = "secret.of.anna", .user = "anna", .uid = 1234, .gid = 56, .home = "/home/anna"};
  v1::SlurmPool pool;
  const slurm::Call call = slurm::call_as(anna, pool, "/opt/bin/rekindle-gang", {"scancel", "7"});
  EXPECT_THAT(call.argv, ElementsAre("/opt/bin/rekindle-gang", "as", "1234:56", "scancel", "7"));
  EXPECT_THAT(call.environment, Contains("SLURM_JWT=secret.of.anna"));
  EXPECT_THAT(call.environment, Contains("HOME=/home/anna"));
  EXPECT_EQ(std::count_if(call.environment.begin(), call.environment.end(),
                          [](const std::string& entry) { return entry.starts_with("HOME="); }),
            1);
  EXPECT_THAT(slurm::own_call(pool, {"scancel", "7"}).environment, Not(Contains(HasSubstr("SLURM_JWT"))));
}

std::string said_as(const std::string& ids, const std::vector<std::string>& words) {
  std::vector<std::string> argv = {(bin_folder() / "rekindle-gang").string(), "as", ids};
  argv.insert(argv.end(), words.begin(), words.end());
  const runtime::Captured ran = runtime::capture(argv, bare_environment(), "/").value();
  return fmt::format("{} {}", ran.code, ran.tail);
}

bool no_user_namespaces() {
  return said_as("1:1", {"true"}).find("user namespace") != std::string::npos;
}

TEST(SlurmStandIn, ProgramsTakeThemselvesForTheOther) {
  if (no_user_namespaces()) GTEST_SKIP() << said_as("1:1", {"true"});
  EXPECT_EQ(said_as("1234:56", {"id", "-u"}), "0 1234\n");
  EXPECT_EQ(said_as("1234:56", {"id", "-g"}), "0 56\n");
  EXPECT_EQ(said_as("1234:56", {"sh", "-c", "umask; exit 3"}), "3 0007\n");
  EXPECT_THAT(said_as("1234:56", {"no-such-program"}), testing::StartsWith("127 "));
  EXPECT_THAT(said_as("root", {"id"}), testing::StartsWith("64 "));
}

// What a process of another user can do; -1: not asked, it takes root to be another.
int as_uid(uid_t uid, const std::string& script) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(99);
    ::umask(0077);
    ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    ::_exit(98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

class SlurmShare : public AttemptTest {};

TEST_F(SlurmShare, TwoAccountsHaveItAndNobodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "it takes root to be several users";
  constexpr uid_t kAnna = 54'321, kBert = 54'322;
  ASSERT_EQ(::chmod(base_.c_str(), 0755), 0);
  const fs::path folder = base_ / "runs";
  ASSERT_TRUE(write_file_durably(base_ / "plan", "x", 0640).ok());
  if (const Status shared = slurm::share_folder(folder, kAnna); !shared.ok())
    GTEST_SKIP() << shared.message();
  ASSERT_TRUE(slurm::share_file(base_ / "plan", kAnna).ok());
  const std::string name = folder.string();
  EXPECT_EQ(as_uid(kAnna, "mkdir " + name + "/a && echo hello >" + name + "/a/b"), 0);
  EXPECT_EQ(as_uid(kAnna, "cat " + base_.string() + "/plan"), 0);
  EXPECT_NE(as_uid(kAnna, "echo y >" + base_.string() + "/plan 2>/dev/null"), 0);
  EXPECT_EQ(read_file(folder / "a" / "b").value(), "hello\n");
  for (const std::string& path : {name, name + "/a", base_.string() + "/plan"})
    EXPECT_NE(as_uid(kBert, "ls " + path + " >/dev/null 2>&1 && cat " + path + " >/dev/null 2>&1"), 0)
        << path;
  // Shared the other way about: what the coordinator makes later is hers too.
  ASSERT_TRUE(write_file_durably(folder / "launch", "z", 0640).ok());
  EXPECT_EQ(as_uid(kAnna, "cat " + name + "/launch >/dev/null"), 0);
  EXPECT_NE(as_uid(kBert, "cat " + name + "/launch >/dev/null 2>&1"), 0);
}

TEST_F(SlurmShare, WhatAGroupCannotWriteIsToldWithWhatToDo) {
  ASSERT_EQ(::chmod(base_.c_str(), 0750), 0);
  EXPECT_THAT(slurm::check_writable_by_group(base_).message(), HasSubstr("chmod 2770"));
  ASSERT_EQ(::chmod(base_.c_str(), 02770), 0);
  EXPECT_TRUE(slurm::check_writable_by_group(base_).ok());
}

class SlurmOwners : public AttemptTest {
 protected:
  SlurmOwners() {
    v1::PoolsFile pools;
    *pools.add_pools() = slurm_.pool();
    pools.mutable_pools(0)->mutable_slurm()->set_submit_as(v1::SlurmPool::OWNER);
    launcher_->use(pools);
    CHECK(fs::create_directories(base_ / "artifacts" / "blobs"));
    CHECK(::chmod((base_ / "artifacts" / "blobs").c_str(), 02770) == 0);
  }
  AttemptFolder of(const std::string& owner) {
    const AttemptFolder folder(base_ / "runs" / owner / "1");
    v1::Plan plan;
    plan.set_run(owner);
    plan.set_attempt(1);
    plan.set_world(1);
    plan.set_fault("wait");
    plan.set_start_nonce(random_hex(16));
    plan.mutable_spec()->set_pool("cluster");
    plan.set_submitted_by(owner);
    plan.set_artifacts((base_ / "artifacts").string());
    plan.set_environments((base_ / "environments" / owner).string());
    EXPECT_TRUE(folder.create(plan).ok());
    made_.push_back(folder.root());
    return folder;
  }

  FakeSlurm slurm_;
  std::mutex mutex_;
  std::map<std::string, Identity> known_ = {
      {"anna", {.token = "token.of.anna", .user = "anna", .uid = 54'321, .gid = 54'321, .home = "/"}},
      {"bert", {.token = "token.of.bert", .user = "bert", .uid = 54'322, .gid = 54'322, .home = "/"}}};
  std::unique_ptr<Launcher> launcher_ = make_pool_launcher(
      test_programs(), [this](const std::string& pool, const std::string& owner) -> Result<Identity> {
        std::lock_guard lock(mutex_);
        if (pool != "cluster" || !known_.contains(owner))
          return failed_precondition("no credential of " + owner);
        return known_.at(owner);
      });
};

TEST_F(SlurmOwners, EachIsSubmittedByItsOwnersTokenAndNoOther) {
  if (no_user_namespaces()) GTEST_SKIP() << said_as("1:1", {"true"});
  for (const char* owner : {"anna", "bert"}) {
    const AttemptFolder folder = of(owner);
    const Status started = launcher_->start(folder);
    if (started.message().find("access lists") != std::string::npos) GTEST_SKIP() << started.message();
    ASSERT_TRUE(started.ok()) << started.message();
    wait_for(*launcher_, folder, GangState::kAlive);
    ASSERT_TRUE(ranks_ready(folder, 1));
    finish(folder, 0);
    wait_for(*launcher_, folder, GangState::kEnded);
  }
  const std::string asked = read_file(slurm_.folder() / "callers").value();
  EXPECT_THAT(asked, HasSubstr("sbatch 54321 token.of.anna"));
  EXPECT_THAT(asked, HasSubstr("sbatch 54322 token.of.bert"));
  EXPECT_THAT(asked, HasSubstr("squeue 54322 token.of.bert"));
  EXPECT_THAT(asked, Not(HasSubstr(fmt::format(" {} ", ::geteuid()))));
  EXPECT_THAT(asked, Not(HasSubstr("54321 token.of.bert")));
}

TEST_F(SlurmOwners, WithoutACredentialNothingIsAskedInAnothersName) {
  const AttemptFolder folder = of("carl");
  const Status started = launcher_->start(folder);
  EXPECT_EQ(started.code(), Code::kUnavailable) << "it is tried again once there is one";
  EXPECT_THAT(started.message(), HasSubstr("no credential of carl"));
  EXPECT_FALSE(fs::exists(slurm_.folder() / "callers"));
  EXPECT_EQ(slurm_.jobs(), 0u);
}

// It may be running: it is neither dead nor anybody else's to ask about.
TEST_F(SlurmOwners, ARevokedCredentialLeavesWhatRunsAsItIs) {
  if (no_user_namespaces()) GTEST_SKIP() << said_as("1:1", {"true"});
  const AttemptFolder folder = of("anna");
  if (const Status started = launcher_->start(folder); !started.ok()) GTEST_SKIP() << started.message();
  ASSERT_TRUE(ranks_ready(folder, 1));
  Identity anna;
  {
    std::lock_guard lock(mutex_);
    anna = known_.extract("anna").mapped();
  }
  ASSERT_TRUE(eventually([&] { return launcher_->trouble("cluster") == "for anna: no credential of anna"; }));
  EXPECT_EQ(launcher_->probe(folder).value().kind, GangState::kAlive);
  ASSERT_TRUE(folder.write_outcome({}).ok());
  finish(folder, 0);
  wait_for(*launcher_, folder, GangState::kEnded);
  const AttemptFolder second = of("bert");
  ASSERT_TRUE(launcher_->start(second).ok());
  ASSERT_TRUE(ranks_ready(second, 1));
  finish(second, 3);
  wait_for(*launcher_, second, GangState::kEnded);
}

}  // namespace
}  // namespace rekindle::launch
