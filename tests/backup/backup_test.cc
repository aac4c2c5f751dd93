// Backups of a daemon at work: what was acknowledged is in them, and where they may not go.
#include <gmock/gmock.h>

#include <atomic>

#include "base/chained_log.h"
#include "base/hash.h"
#include "tests/backup/state.h"

namespace rekindle::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class Backup : public WithState {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(make_history(state())); }
};

// Runs and labels, as fast as they are taken, until it goes.
class Load {
 public:
  explicit Load(const TestDaemon& daemon)
      : submitter_([this, client = daemon.client()]() mutable {
          for (int i = 0; !over_; ++i) {
            v1::StartRunRequest request;
            request.set_job(kModel);
            request.set_idempotency_key("key-" + std::to_string(i));
            if (coordinator::call<v1::Run>(client, "RunService/StartRun", request).ok()) runs = i + 1;
          }
        }),
        node_([this, client = daemon.serving_client()]() mutable {
          for (uint64_t seq = 1; !over_; ++seq) {
            v1::EventBatch batch;
            batch.set_node("node-1");
            batch.set_boot("b1");
            batch.set_seq(seq);
            batch.set_model(kModel);
            for (int i = 0; i < 50; ++i) {
              v1::LabelRecord& label = *batch.add_labels();
              label.set_request_id("r" + std::to_string(seq * 50 + i));
              label.add_labels(1);
              label.set_event_time_us(kJanuary);
              label.set_known_at_us(kJanuary + kDay);
            }
            if (coordinator::call<v1::AppendResponse>(client, "EventService/Append", batch).ok())
              batches = seq;
          }
        }) {}
  ~Load() { stop(); }
  void stop() {
    over_ = true;
    for (std::thread* thread : {&submitter_, &node_})
      if (thread->joinable()) thread->join();
  }
  std::atomic<int> runs{0};  // acknowledged
  std::atomic<uint64_t> batches{0};

 private:
  std::atomic<bool> over_{false};
  std::thread submitter_, node_;
};

TEST_F(Backup, HoldsWhatWasAcknowledgedBeforeWhileMoreComesIn) {
  start();
  const v1::WhyResponse told = why(*daemon_, 1);
  ASSERT_GT(told.ByteSizeLong(), 0u);
  Load load(*daemon_);
  ASSERT_TRUE(eventually([&] { return load.runs >= 20 && load.batches >= 20; }));
  const int runs = load.runs;
  const uint64_t batches = load.batches;
  const auto made = back_up(backup());
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  ASSERT_TRUE(eventually([&] { return load.runs > runs && load.batches > batches; })) << "it goes on";
  load.stop();
  stop();

  const auto report = restore_to(restored());
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  TestDaemon after(restored(), launcher_after_);
  ASSERT_TRUE(after.started().ok()) << after.started().to_string();
  std::set<std::string> ids;
  for (int i = 0; i < runs; ++i) ids.insert(start_run(after, "key-" + std::to_string(i)).id());
  EXPECT_EQ(ids.size(), static_cast<size_t>(runs));
  for (const std::string& id : ids)
    EXPECT_LT(std::stoi(id.substr(id.rfind('-') + 1)), 2000)
        << id << ": a key that was acknowledged made a new run";
  v1::DriftStatusRequest drift;
  drift.set_model(kModel);
  EXPECT_GE(must<v1::DriftStatusResponse>(after, "DataService/DriftStatus", drift).waiting_labels(),
            50 * batches);
  EXPECT_EQ(why(after, 1).DebugString(), told.DebugString()) << "from archives";
}

TEST_F(Backup, ListsEachFileAsItIs) {
  start();
  const auto made = back_up(backup());
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  std::set<std::string> listed, there;
  for (const v1::BackupFile& file : made->files()) {
    listed.insert(file.path());
    EXPECT_EQ(sha256_hex_of_file(backup() / file.path()).value(), file.sha256()) << file.path();
    EXPECT_EQ(fs::file_size(backup() / file.path()), file.bytes()) << file.path();
    EXPECT_EQ(fs::status(backup() / file.path()).permissions() & fs::perms(077), fs::perms::none)
        << file.path();
  }
  for (const auto& entry : fs::recursive_directory_iterator(backup()))
    if (entry.is_regular_file()) there.insert(fs::relative(entry.path(), backup()).string());
  there.erase("backup.json");
  EXPECT_EQ(listed, there);
  for (const char* name : {"journal.db", "events.db", "audit.log", "token", "serving-token"})
    EXPECT_TRUE(listed.contains(name)) << name;
  EXPECT_EQ(fs::status(backup()).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(check_chained_log(backup() / "audit.log").ok());
  const auto read = read_backup_list(backup());
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  EXPECT_EQ(read->journal_seq(), made->journal_seq());
  EXPECT_EQ(read->artifacts(), (state() / "artifacts").string());
}

TEST_F(Backup, GoesNowhereThatIsNotFreeAndItsOwn) {
  start();
  const fs::path full = folder_.path() / "full";
  fs::create_directory(full);
  std::ofstream(full / "something") << "x";
  fs::create_directory_symlink(state(), folder_.path() / "link");
  const auto refusal = [this](const fs::path& to) { return back_up(to).status(); };
  EXPECT_EQ(refusal("backup").code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal(full).code(), Code::kAlreadyExists);
  EXPECT_THAT(refusal(full).message(), HasSubstr("is not empty"));
  EXPECT_EQ(refusal(full / "something").code(), Code::kAlreadyExists);
  for (const fs::path& inside :
       {state(), state() / "backup", state() / "artifacts" / "b", state() / "runs" / "b",
        folder_.path() / "link" / "b", folder_.path() / "no" / ".." / "state" / "b"}) {
    EXPECT_EQ(refusal(inside).code(), Code::kFailedPrecondition) << inside;
    EXPECT_THAT(refusal(inside).message(), HasSubstr("of which it would be a copy"));
  }
  EXPECT_FALSE(fs::exists(state() / "backup"));
  EXPECT_EQ(std::distance(fs::directory_iterator(full), fs::directory_iterator()), 1);
  EXPECT_TRUE(back_up(folder_.path() / "new" / "er/").ok());
}

// What is damaged is not passed on as if it were whole; what was written of the attempt goes.
TEST_F(Backup, OfADamagedArchiveIsRefusedByName) {
  start();
  const fs::path archive = fs::directory_iterator(state() / "archive")->path();
  const std::string good = read_file(archive).value();
  std::string bad = good;
  bad[bad.size() / 2] ^= 1;
  fs::remove(archive);
  std::ofstream(archive, std::ios::binary) << bad;
  const Status status = back_up(backup()).status();
  EXPECT_EQ(status.code(), Code::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(archive.filename().string()), HasSubstr("damaged")));
  EXPECT_TRUE(fs::is_empty(backup()));
  std::ofstream(archive, std::ios::binary | std::ios::trunc) << good;
  EXPECT_TRUE(back_up(backup()).ok()) << "the next one is free to begin";
}

TEST_F(Backup, TakesBlobsAlongWhenAsked) {
  start();
  Status refused = back_up(backup(), true).status();
  EXPECT_EQ(refused.code(), Code::kDataLoss);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("lacks"), HasSubstr("version 1 of flight-delay")));
  stop();
  fs::remove_all(state());
  start();
  v1::ApplyRequest apply;
  *apply.mutable_spec() = sample_spec(kModel);
  must<v1::ApplyResponse>(*daemon_, "JobService/Apply", apply);
  const v1::AddSnapshotRequest rows = sample_snapshot(state() / "artifacts");
  must<v1::DatasetSnapshot>(*daemon_, "DataService/AddSnapshot", rows);
  const auto made = back_up(backup(), true);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_TRUE(made->artifacts().empty());
  stop();
  fs::remove_all(state());
  const auto report = restore_to(restored());
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_THAT(report->missing, IsEmpty());
  EXPECT_EQ(artifacts::open_folder_store(restored() / "artifacts")
                .value()
                ->get(rows.snapshot().parts(0).sha256())
                .value(),
            "rows of 2013-01");
}

TEST_F(Backup, IsInTheAuditLog) {
  start();
  ASSERT_TRUE(back_up(backup()).ok());
  std::string all;
  ASSERT_TRUE(check_chained_log(state() / "audit.log", [&](std::string_view line) { all += line; }).ok());
  EXPECT_THAT(all, AllOf(HasSubstr("BackupService/Backup"), HasSubstr("folder=" + backup().string())));
}

}  // namespace
}  // namespace rekindle::coordinator
