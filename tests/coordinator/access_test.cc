// Who may call what and touch whose, and how fast: by the tokens of people, over real HTTP.
#include <gmock/gmock.h>

#include "net/token_file.h"
#include "tests/coordinator/harness.h"
#include "tests/net/route_table.h"

namespace rekindle::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Access : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(state());
    fs::permissions(state(), fs::perms::owner_all);
    const net::TokenFile tokens(state() / "tokens.json");
    for (const auto& [name, role] : {std::pair("vera", net::Role::kViewer),
                                     {"alice", net::Role::kSubmitter},
                                     {"bob", net::Role::kSubmitter},
                                     {"oscar", net::Role::kOperator},
                                     {"ada", net::Role::kAdmin},
                                     {"node-1", net::Role::kServing},
                                     {"left", net::Role::kAdmin}})
      secrets_[name] = tokens.add(name, role, 1).value();
    secrets_["over"] = tokens.add("over", net::Role::kAdmin, 1, 2).value();
    ASSERT_TRUE(tokens.revoke("left").ok());
    daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
    ASSERT_TRUE(daemon_->started().ok()) << daemon_->started().to_string();
  }
  fs::path state() const { return folder_.path() / "state"; }

  template <typename Resp, typename Req>
  Result<Resp> as(const std::string& name, const std::string& method, const Req& request) {
    net::ConnectClient client(daemon_->url(), secrets_.at(name));
    return coordinator::call<Resp>(client, method, request);
  }
  Status apply(const std::string& name, const std::string& job, uint32_t batch = 1024) {
    v1::ApplyRequest request;
    *request.mutable_spec() = sample_spec(job);
    request.mutable_spec()->mutable_train()->set_batch(batch);
    return as<v1::ApplyResponse>(name, "JobService/Apply", request).status();
  }
  Result<v1::Run> start(const std::string& name, const std::string& job) {
    v1::StartRunRequest request;
    request.set_job(job);
    return as<v1::Run>(name, "RunService/StartRun", request);
  }
  Status cancel(const std::string& name, const std::string& run) {
    v1::CancelRunRequest request;
    request.set_id(run);
    return as<v1::Run>(name, "RunService/CancelRun", request).status();
  }
  void add_rows() {
    auto added =
        as<v1::DatasetSnapshot>("ada", "DataService/AddSnapshot", sample_snapshot(state() / "artifacts"));
    ASSERT_TRUE(added.ok()) << added.status().to_string();
  }

  TempFolder folder_;
  SharedLauncher launcher_;
  std::map<std::string, std::string> secrets_;
  std::unique_ptr<TestDaemon> daemon_;
};

TEST_F(Access, EveryRouteHasItsRolesOnThePage) {
  const net::Identities who{{{"none", ""},
                             {"garbled", secrets_["ada"].substr(1)},
                             {"expired", secrets_["over"]},
                             {"revoked", secrets_["left"]}},
                            {{"serving", secrets_["node-1"]},
                             {"viewer", secrets_["vera"]},
                             {"submitter", secrets_["alice"]},
                             {"operator", secrets_["oscar"]},
                             {"admin", secrets_["ada"]}}};
  net::expect_documented("rekindled", net::table_of(daemon_->url(), daemon_->routes(), who));
}

TEST_F(Access, ASubmitterTouchesItsOwnJobsAndRunsAlone) {
  add_rows();
  ASSERT_TRUE(apply("alice", "late").ok());
  const auto run = start("alice", "late");
  ASSERT_TRUE(run.ok()) << run.status().to_string();
  EXPECT_EQ(run->submitted_by(), "alice");
  for (const Status& refused :
       {apply("bob", "late", 64), start("bob", "late").status(), cancel("bob", run->id())}) {
    EXPECT_EQ(refused.code(), Code::kPermissionDenied);
    EXPECT_THAT(refused.message(), AllOf(HasSubstr("of 'alice'"), HasSubstr("an operator")));
  }
  ASSERT_TRUE(apply("bob", "early").ok()) << "a name that is free";
  EXPECT_EQ(apply("alice", "early", 64).code(), Code::kPermissionDenied);
  EXPECT_TRUE(cancel("alice", run->id()).ok());
  // Operators and admins answer for the whole; the job stays its owner's.
  EXPECT_TRUE(apply("oscar", "late", 64).ok());
  const auto by_operator = start("oscar", "late");
  ASSERT_TRUE(by_operator.ok());
  EXPECT_EQ(by_operator->submitted_by(), "oscar");
  EXPECT_TRUE(cancel("alice", by_operator->id()).ok()) << "runs of one's own job, whoever asked for them";
  v1::GetJobRequest get;
  get.set_name("late");
  EXPECT_EQ(as<v1::Job>("vera", "JobService/GetJob", get)->owner(), "alice");
  for (int i = 0; i < 600; ++i)
    ASSERT_NE(start("oscar", "nothing").status().code(), Code::kResourceExhausted);
  const auto again = start("ada", "late");
  EXPECT_TRUE(cancel("ada", again->id()).ok());
}

// The body is of no use, so that the answers alone take time.
TEST_F(Access, AFloodOfOneTokenIsHeldBackAndOthersAreServed) {
  net::HttpClient flooding(net::ClientOptions{.url = daemon_->url(), .token = secrets_["bob"]});
  net::Headers plain;
  plain.add("Content-Type", "text/plain");
  int passed = 0, refused = 0;
  for (int i = 0; i < 10'000 && refused < 100; ++i) {
    const net::Reply reply =
        flooding.request("POST", "/rekindle.v1.RunService/StartRun", "{}", plain).value();
    ASSERT_TRUE(reply.status == 415 || reply.status == 429) << reply.status;
    ++(reply.status == 415 ? passed : refused);
    if (reply.status != 429 || refused % 20 != 0) continue;
    EXPECT_EQ(reply.headers.get("Retry-After"), "1");
    EXPECT_THAT(reply.body, HasSubstr("'bob' changes things faster than 50 times a second"));
    EXPECT_EQ(start("alice", "nothing").status().code(), Code::kNotFound) << "another one is served";
    EXPECT_EQ(start("oscar", "nothing").status().code(), Code::kNotFound);
  }
  EXPECT_EQ(refused, 100);
  EXPECT_GE(passed, 500) << "what is honest passes at once";
}

// What a script said last goes into the journal and onto terminals: bytes that are no text would make the
// journal unreadable, and escapes would steer the terminal of whoever looks.
TEST_F(Access, WhatARankSaidLastIsMadeReadable) {
  add_rows();
  ASSERT_TRUE(apply("alice", "late").ok());
  ASSERT_TRUE(start("alice", "late").ok());
  const launch::AttemptFolder attempt(state() / "runs/late-1/1");
  const auto run = [&] {
    v1::GetRunRequest get;
    get.set_id("late-1");
    const auto found = as<v1::Run>("vera", "RunService/GetRun", get);
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    return found.ok() ? *found : v1::Run();
  };
  ASSERT_TRUE(eventually(
      [&] { return run().attempts_size() > 0 && run().attempts(0).state() == v1::Attempt::STARTED; }));
  // The cut at 300 bytes falls into a character.
  std::ofstream(attempt.log(1)) << "fine\n\x1b[2J\xff" << std::string(292, 'x') << "\xc3\xbc\xc3\xbc\n";
  v1::ExitRecord exit;
  v1::RankExit& rank = *exit.add_ranks();
  rank.set_rank(1);
  rank.set_code(1);
  exit.set_code(1);
  launcher_.with([&](launch::FakeLauncher& fake) { fake.end(attempt, exit); });
  ASSERT_TRUE(eventually([&] { return run().attempts(0).state() == v1::Attempt::ENDED; }));
  EXPECT_THAT(run().attempts(0).message(), HasSubstr("\\u001b[2J\\ufffdxxx"));
  EXPECT_THAT(run().attempts(0).message(), HasSubstr("xxx\xc3\xbc\\ufffd"));
  net::ConnectClient reader(daemon_->url(), secrets_["vera"]);
  v1::ReadLogsRequest logs;
  logs.set_run("late-1");
  logs.set_attempt(1);
  logs.set_rank(-1);
  std::string seen;
  const Status read = reader.stream<v1::ReadLogsRequest, v1::LogChunk>(
      "rekindle.v1.RunService/ReadLogs", logs, [&](const v1::LogChunk& chunk) {
        for (const std::string& line : chunk.lines()) seen += line + "|";
        return true;
      });
  EXPECT_TRUE(read.ok()) << read.to_string();
  EXPECT_THAT(seen, HasSubstr("fine|\x1b[2J\xef\xbf\xbdxxx")) << "a log keeps its colours";
  daemon_ = nullptr;
  daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
  ASSERT_TRUE(daemon_->started().ok()) << "the journal is read again: " << daemon_->started().to_string();
  EXPECT_THAT(run().attempts(0).message(), HasSubstr("\\ufffdxxx"));
}

TEST_F(Access, ReasonsAreOneLine) {
  add_rows();
  ASSERT_TRUE(apply("alice", "late").ok());
  ASSERT_TRUE(start("alice", "late").ok());
  v1::CancelRunRequest cancel;
  cancel.set_id("late-1");
  for (const char* reason : {"x\ny", "\x1b[31m", "\xc2\x9b", "\xe2\x80\xa8"}) {
    cancel.set_reason(reason);
    EXPECT_EQ(as<v1::Run>("alice", "RunService/CancelRun", cancel).status().code(), Code::kInvalidArgument);
  }
  cancel.set_reason("zu spät");
  EXPECT_TRUE(as<v1::Run>("alice", "RunService/CancelRun", cancel).ok());
}

}  // namespace
}  // namespace rekindle::coordinator
