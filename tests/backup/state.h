// A state folder with a history: a model with versions, whose older decisions lie in archives; a daemon on
// it, and a backup of it.
#pragma once

#include "coordinator/backup/manifest.h"
#include "coordinator/backup/restore.h"
#include "coordinator/journal/sqlite_journal.h"
#include "tests/coordinator/harness.h"
#include "tests/core/driver.h"

namespace rekindle::coordinator {

inline constexpr const char* kModel = "flight-delay";

// Decided by the core itself: 20 events an archive.
inline void make_history(const fs::path& state, int runs = 12) {
  core::testing::Driver driver;
  v1::JobSpec spec = core::testing::spec_of(kModel);
  spec.set_pool("local");
  driver.run(core::AddSnapshot{core::testing::january(), false});
  driver.run(core::testing::apply_of(spec));
  for (int i = 0; i < runs; ++i) {
    driver.trains(driver.start(kModel), core::testing::evaluation_of(0.50 - 0.01 * i, 0.53));
    for (int step = 0; step < 3; ++step) {
      driver.nodes_follow(kModel);
      driver.pass(std::chrono::hours(25));
    }
  }
  fs::create_directories(state);
  fs::permissions(state, fs::perms::owner_all);
  auto journal = open_sqlite_journal(state / "journal.db", {.archive_events = 20}).value();
  core::State now;
  const size_t snapshots = driver.journal.size() * 2 / 3;
  for (const v1::Event& event : driver.journal) {
    ASSERT_TRUE(journal->append({&event, 1}).ok());
    core::apply(now, event);
    // Each is followed by a step of moving old events to archives.
    if (now.seq >= snapshots) {
      ASSERT_TRUE(journal->save_snapshot(core::to_snapshot(now)).ok());
    }
  }
  ASSERT_GE(std::distance(fs::directory_iterator(state / "archive"), fs::directory_iterator()), 2);
}

class WithState : public testing::Test {
 protected:
  fs::path state() const { return folder_.path() / "state"; }
  fs::path backup() const { return folder_.path() / "backup"; }
  fs::path restored() const { return folder_.path() / "restored"; }

  void start() {
    daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
    ASSERT_TRUE(daemon_->started().ok()) << daemon_->started().to_string();
  }
  void stop() { daemon_.reset(); }

  Result<v1::BackupManifest> back_up(const fs::path& to, bool artifacts = false) {
    v1::BackupRequest request;
    request.set_folder(to.string());
    request.set_artifacts(artifacts);
    v1::BackupUpdate last;
    net::ConnectClient client = daemon_->client();
    const Status status = client.stream<v1::BackupRequest, v1::BackupUpdate>(
        "rekindle.v1.BackupService/Backup", request, [&last](const v1::BackupUpdate& update) {
          last = update;
          return true;
        });
    if (!status.ok()) return status;
    EXPECT_TRUE(last.has_manifest());
    return last.manifest();
  }
  Result<RestoreReport> restore_to(const fs::path& to, const fs::path& artifacts = {}) {
    return restore({backup(), to, artifacts}, SystemClock(), [](const std::string&) {});
  }

  template <typename Resp, typename Req>
  static Resp must(TestDaemon& daemon, const std::string& method, const Req& request) {
    net::ConnectClient client = daemon.client();
    auto result = coordinator::call<Resp>(client, method, request);
    EXPECT_TRUE(result.ok()) << method << ": " << result.status().to_string();
    return result.ok() ? *result : Resp();
  }
  static v1::Run start_run(TestDaemon& daemon, const std::string& key) {
    v1::StartRunRequest request;
    request.set_job(kModel);
    request.set_idempotency_key(key);
    return must<v1::Run>(daemon, "RunService/StartRun", request);
  }
  static v1::WhyResponse why(TestDaemon& daemon, uint64_t version) {
    v1::WhyRequest request;
    request.set_model(kModel);
    request.set_version(version);
    return must<v1::WhyResponse>(daemon, "RegistryService/Why", request);
  }

  TempFolder folder_;
  SharedLauncher launcher_, launcher_after_;
  std::unique_ptr<TestDaemon> daemon_;
};

}  // namespace rekindle::coordinator
