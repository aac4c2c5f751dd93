// What a restart finds again: runs, attempts that went on without it, keys, and what it refuses to start on.
#include "core/schedule.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

class Restart : public testing::Test {
 protected:
  fs::path state() const { return folder_.path() / "state"; }
  void start() {
    daemon_.reset();
    daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
    ASSERT_TRUE(daemon_->started().ok()) << daemon_->started().to_string();
    client_ = std::make_unique<net::ConnectClient>(daemon_->client());
  }
  void stop() { daemon_.reset(); }

  template <typename Resp, typename Req>
  Resp must(const std::string& method, const Req& request) {
    auto result = coordinator::call<Resp>(*client_, method, request);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    return result.ok() ? *result : Resp();
  }
  void prepare() {
    v1::ApplyRequest apply;
    *apply.mutable_spec() = sample_spec("a");
    must<v1::ApplyResponse>("JobService/Apply", apply);
    must<v1::DatasetSnapshot>("DataService/AddSnapshot", sample_snapshot(state() / "artifacts"));
  }
  v1::Run start_run(const std::string& key) {
    v1::StartRunRequest request;
    request.set_job("a");
    request.set_idempotency_key(key);
    return must<v1::Run>("RunService/StartRun", request);
  }
  v1::Run run(const std::string& id) {
    v1::GetRunRequest request;
    request.set_id(id);
    return must<v1::Run>("RunService/GetRun", request);
  }
  launch::AttemptFolder attempt(const std::string& id, int n) {
    return launch::AttemptFolder(state() / "runs" / id / std::to_string(n));
  }
  bool is_started(const std::string& id) {
    return eventually([&] {
      v1::Run now = run(id);
      return now.attempts_size() > 0 && now.attempts(now.attempts_size() - 1).state() == v1::Attempt::STARTED;
    });
  }
  size_t starts() {
    return launcher_.with([](launch::FakeLauncher& fake) { return fake.started().size(); });
  }

  TempFolder folder_;
  SharedLauncher launcher_;
  std::unique_ptr<TestDaemon> daemon_;
  std::unique_ptr<net::ConnectClient> client_;
};

TEST_F(Restart, AdoptsARunningAttemptWithoutStartingAnother) {
  start();
  prepare();
  start_run("k1");
  ASSERT_TRUE(is_started("a-1"));
  const std::string plan = read_file(attempt("a-1", 1).plan()).value();
  start();
  EXPECT_EQ(run("a-1").state(), v1::RUNNING);
  EXPECT_EQ(start_run("k1").id(), "a-1");
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(read_file(attempt("a-1", 1).plan()).value(), plan);
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::SPEC_REFUSED);
  ASSERT_TRUE(attempt("a-1", 1).write_outcome(outcome).ok());
  v1::ExitRecord exit;
  exit.set_code(78);
  launcher_.with([&](launch::FakeLauncher& fake) { fake.end(attempt("a-1", 1), exit); });
  EXPECT_TRUE(eventually([&] { return run("a-1").state() == v1::FAILED_RUN; }));
}

TEST_F(Restart, SeesWhatEndedMeanwhile) {
  start();
  prepare();
  start_run("k1");
  ASSERT_TRUE(is_started("a-1"));
  stop();
  v1::ExitRecord exit;
  exit.set_code(3);
  launcher_.with([&](launch::FakeLauncher& fake) { fake.end(attempt("a-1", 1), exit); });
  start();
  EXPECT_TRUE(eventually([&] { return run("a-1").crash_failures() == 1; }));
}

TEST_F(Restart, AFolderThatWentAwayIsALostNode) {
  start();
  prepare();
  start_run("k1");
  ASSERT_TRUE(is_started("a-1"));
  stop();
  fs::remove_all(attempt("a-1", 1).root());
  start();
  EXPECT_TRUE(eventually([&] { return run("a-1").node_failures() == 1; }));
}

TEST_F(Restart, ManyTimesOverKeepsEverything) {
  start();
  prepare();
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 5; ++i) start_run("k" + std::to_string(round * 5 + i));
    start();
  }
  v1::ListRunsResponse runs = must<v1::ListRunsResponse>("RunService/ListRuns", v1::ListRunsRequest());
  ASSERT_EQ(runs.runs_size(), 30);
  EXPECT_EQ(runs.runs(0).id(), "a-30");
  EXPECT_EQ(start_run("k7").id(), "a-8");
  EXPECT_EQ(starts(), 1u) << "two slots, two ranks: one gang at a time";
}

TEST_F(Restart, ASecondDaemonIsRefused) {
  start();
  TestDaemon second(state(), launcher_);
  ASSERT_FALSE(second.started().ok());
  EXPECT_NE(second.started().message().find("is held by rekindled with process id"), std::string::npos);
  EXPECT_NE(second.started().message().find(state().string()), std::string::npos);
}

TEST_F(Restart, ADamagedJournalIsNamed) {
  start();
  prepare();
  stop();
  std::string bytes = read_file(state() / "journal.db").value();
  for (size_t at = 0; at < bytes.size(); at += 7) bytes[at] ^= 0x10;
  std::ofstream(state() / "journal.db", std::ios::binary) << bytes;
  TestDaemon damaged(state(), launcher_);
  ASSERT_FALSE(damaged.started().ok());
  EXPECT_EQ(damaged.started().code(), Code::kDataLoss);
  EXPECT_NE(damaged.started().message().find("journal.db"), std::string::npos) << damaged.started().message();
}

}  // namespace
}  // namespace rekindle::coordinator
