// Runs that have left the coordinator's state are told of all the same.
#include "coordinator/journal/sqlite_journal.h"
#include "tests/coordinator/harness.h"
#include "tests/core/driver.h"

namespace rekindle::coordinator {
namespace {

constexpr const char* kJob = "flight-delay";

class RetiredRuns : public testing::Test {
 protected:
  void SetUp() override {
    core::testing::Driver driver;
    driver.world.keep = {.runs = 2, .time = std::chrono::hours(1)};
    v1::JobSpec spec = core::testing::spec_of(kJob);
    spec.set_pool("local");
    driver.run(core::AddSnapshot{core::testing::january(), false});
    driver.run(core::testing::apply_of(spec));
    for (int i = 0; i < 6; ++i) {
      const std::string id = driver.start(kJob, "key-" + std::to_string(i));
      driver.gang_starts(id);
      driver.ends(id, v1::END_DATA_REFUSED);
      runs_.push_back(core::whole(driver.state, driver.run_of(id)));
      ASSERT_TRUE(core::terminal(runs_.back().state()));
    }
    driver.pass(std::chrono::hours(2));
    ASSERT_EQ(driver.state.runs.size(), 2u);
    fs::create_directories(state());
    fs::permissions(state(), fs::perms::owner_all);
    {
      auto journal = open_sqlite_journal(state() / "journal.db", {.archive_events = 10}).value();
      ASSERT_TRUE(journal->append(driver.journal).ok());
    }
    daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
    ASSERT_TRUE(daemon_->started().ok()) << daemon_->started().to_string();
    client_ = std::make_unique<net::ConnectClient>(daemon_->client());
  }
  fs::path state() const { return folder_.path() / "state"; }

  TempFolder folder_;
  SharedLauncher launcher_;
  std::vector<v1::Run> runs_;
  std::unique_ptr<TestDaemon> daemon_;
  std::unique_ptr<net::ConnectClient> client_;
};

TEST_F(RetiredRuns, AreFoundAsTheyWere) {
  for (const v1::Run& was : runs_) {
    v1::GetRunRequest request;
    request.set_id(was.id());
    const auto found = call<v1::Run>(*client_, "RunService/GetRun", request);
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    EXPECT_EQ(found->DebugString(), was.DebugString());
  }
  for (const char* never : {"flight-delay-99", "nothing-1", "flight-delay", ""}) {
    v1::GetRunRequest request;
    request.set_id(never);
    EXPECT_EQ(call<v1::Run>(*client_, "RunService/GetRun", request).status().code(), Code::kNotFound)
        << never;
  }
}

TEST_F(RetiredRuns, AreWatchedToTheirEndAtOnce) {
  v1::WatchRunRequest request;
  request.set_id(runs_[0].id());
  std::vector<v1::RunUpdate> updates;
  const Status status = client_->stream<v1::WatchRunRequest, v1::RunUpdate>(
      "rekindle.v1.RunService/WatchRun", request, [&updates](const v1::RunUpdate& update) {
        updates.push_back(update);
        return true;
      });
  ASSERT_TRUE(status.ok()) << status.to_string();
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].run().state(), runs_[0].state());
}

TEST_F(RetiredRuns, TheirLogsAreReadWhereTheyStillLie) {
  const fs::path attempt = state() / "runs" / runs_[0].id() / "1";
  fs::create_directories(attempt);
  std::ofstream(attempt / "log-0.txt") << "it was so\n";
  v1::ReadLogsRequest request;
  request.set_run(runs_[0].id());
  request.set_rank(0);
  request.set_follow(true);
  std::vector<std::string> lines;
  const Status status = client_->stream<v1::ReadLogsRequest, v1::LogChunk>(
      "rekindle.v1.RunService/ReadLogs", request, [&lines](const v1::LogChunk& chunk) {
        lines.insert(lines.end(), chunk.lines().begin(), chunk.lines().end());
        return true;
      });
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(lines, std::vector<std::string>{"it was so"});
}

TEST_F(RetiredRuns, TheirKeysAreRefused) {
  v1::StartRunRequest request;
  request.set_job(kJob);
  request.set_idempotency_key("key-0");
  EXPECT_EQ(call<v1::Run>(*client_, "RunService/StartRun", request).status().code(), Code::kAlreadyExists);
}

}  // namespace
}  // namespace rekindle::coordinator
