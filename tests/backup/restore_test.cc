// Restores: what is refused, what a restored daemon goes on with.
#include <gmock/gmock.h>

#include "coordinator/state_folder.h"
#include "tests/backup/state.h"

namespace rekindle::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class Restore : public WithState {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(make_history(state()));
    start();
  }
  void make_backup() {
    const auto made = back_up(backup());
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    list_ = *made;
  }
  static void flip(const fs::path& file, size_t at) {
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    std::string bytes = read_file(file).value();
    bytes.at(at) ^= 4;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }
  v1::BackupManifest list_;
};

TEST_F(Restore, AFlippedByteIsRefusedNamingItsFile) {
  make_backup();
  for (const v1::BackupFile& file : list_.files()) {
    ASSERT_GT(file.bytes(), 0u) << file.path();
    const fs::path path = backup() / file.path();
    flip(path, file.bytes() / 3);
    const auto report = restore_to(restored());
    ASSERT_FALSE(report.ok()) << file.path();
    EXPECT_EQ(report.status().code(), Code::kDataLoss);
    EXPECT_THAT(report.status().message(), HasSubstr(path.string()));
    EXPECT_FALSE(fs::exists(restored())) << "nothing is written before all is checked";
    flip(path, file.bytes() / 3);
  }
  fs::rename(backup() / "events.db", backup() / "gone");
  EXPECT_THAT(restore_to(restored()).status().message(), HasSubstr("events.db is missing"));
  fs::rename(backup() / "gone", backup() / "events.db");
  EXPECT_TRUE(restore_to(restored()).ok());
}

TEST_F(Restore, AFlippedByteInTheListChangesNothingUnseen) {
  make_backup();
  const fs::path list = backup() / "backup.json";
  const std::string good = read_backup_list(backup())->SerializeAsString();
  const size_t size = fs::file_size(list);
  size_t noticed = 0;
  for (size_t at = 0; at < size; at += 3) {
    flip(list, at);
    const auto read = read_backup_list(backup());
    if (!read.ok()) {
      ++noticed;
      EXPECT_THAT(read.status().message(), HasSubstr("backup.json"));
    } else {
      EXPECT_EQ(read->SerializeAsString(), good) << "at " << at;
    }
    flip(list, at);
  }
  EXPECT_GT(noticed, size / 6);
  fs::remove(list);
  EXPECT_THAT(restore_to(restored()).status().message(), HasSubstr("one that was never finished"));
}

TEST_F(Restore, NamesInTheListLeadNowhereElse) {
  make_backup();
  for (const char* path : {"../escaped", "/tmp/escaped", "archive/../../escaped", "", ".hidden", "a//b"}) {
    v1::BackupManifest list = list_;
    list.mutable_files(0)->set_path(path);
    ASSERT_TRUE(write_backup_list(backup(), list).ok());
    EXPECT_FALSE(restore_to(restored()).ok()) << path;
  }
}

TEST_F(Restore, WritesOverNothing) {
  make_backup();
  EXPECT_THAT(restore_to(state()).status().message(), HasSubstr("is not empty"));
  fs::create_directory(restored());
  std::ofstream(restored() / "mine") << "x";
  EXPECT_THAT(restore_to(restored()).status().message(), HasSubstr("it holds mine"));
  EXPECT_EQ(std::distance(fs::directory_iterator(restored()), fs::directory_iterator()), 1);
  fs::remove(restored() / "mine");
  {
    const auto held = StateFolder::open(restored());
    ASSERT_TRUE(held.ok());
    EXPECT_THAT(restore_to(restored()).status().message(), HasSubstr("is held by rekindled"));
  }
  EXPECT_TRUE(restore_to(restored()).ok());
}

TEST_F(Restore, WhatItDidNotFinishNoDaemonTakes) {
  make_backup();
  ASSERT_TRUE(restore_to(restored()).ok());
  std::ofstream(restored() / "restoring") << "x";
  TestDaemon refused(restored(), launcher_after_);
  ASSERT_FALSE(refused.started().ok());
  EXPECT_EQ(refused.started().code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.started().message(), HasSubstr("its restore did not come to an end"));
  fs::remove(restored() / "restoring");
  EXPECT_TRUE(TestDaemon(restored(), launcher_after_).started().ok());
}

TEST_F(Restore, NumbersThatMayHaveBeenGivenSinceArePassedOver) {
  make_backup();
  const v1::Run since = start_run(*daemon_, "since");
  stop();
  ASSERT_TRUE(restore_to(restored()).ok());
  TestDaemon after(restored(), launcher_after_);
  ASSERT_TRUE(after.started().ok()) << after.started().to_string();
  const v1::Run next = start_run(after, "since");
  EXPECT_NE(next.id(), since.id());
  EXPECT_EQ(next.id(), "flight-delay-2001");
  v1::ListVersionsRequest request;
  request.set_model(kModel);
  const auto model = must<v1::ModelState>(after, "RegistryService/ListVersions", request);
  EXPECT_EQ(model.next_version(), 2001u);
  EXPECT_EQ(model.plan().revision(), 2001u);
}

TEST_F(Restore, RunsThatWereOnTheirWayAreTriedAgain) {
  const v1::Run run = start_run(*daemon_, "k");
  const auto now = [&](TestDaemon& daemon) {
    v1::GetRunRequest request;
    request.set_id(run.id());
    return must<v1::Run>(daemon, "RunService/GetRun", request);
  };
  ASSERT_TRUE(eventually([&] {
    const v1::Run seen = now(*daemon_);
    return seen.attempts_size() == 1 && seen.attempts(0).state() == v1::Attempt::STARTED;
  }));
  make_backup();
  stop();
  const auto report = restore_to(restored());
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_THAT(report->on_their_way, ElementsAre(run.id()));
  EXPECT_THAT(report->missing, Contains(HasSubstr("rows of flights@2013-01"))) << "none was ever stored";
  TestDaemon after(restored(), launcher_after_);
  ASSERT_TRUE(after.started().ok()) << after.started().to_string();
  EXPECT_TRUE(eventually([&] { return now(after).attempts_size() == 2; })) << now(after).DebugString();
  EXPECT_EQ(now(after).attempts(0).end(), v1::END_NODE_LOST);
}

}  // namespace
}  // namespace rekindle::coordinator
