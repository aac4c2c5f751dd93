// Old events leave journal.db for sealed archives: what is asked about them is answered all the same,
// whenever the process stopped in between, and damage is named.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "base/files.h"
#include "base/hash.h"
#include "coordinator/journal/sqlite.h"
#include "coordinator/journal/sqlite_journal.h"
#include "tests/journal/events.h"

namespace rekindle::coordinator {
namespace {

const SqliteJournalOptions kArchivesOfTwenty{.archive_events = 20};

constexpr uint64_t kEvents = 160, kOlder = 90, kNewer = 95;

std::unique_ptr<Journal> opened(const fs::path& file) {
  auto journal = open_sqlite_journal(file, kArchivesOfTwenty);
  EXPECT_TRUE(journal.ok()) << journal.status().to_string();
  return std::move(journal).value();
}

void snapshot_at(Journal& journal, uint64_t seq) {
  v1::Snapshot snapshot;
  snapshot.set_seq(seq);
  ASSERT_TRUE(journal.save_snapshot(snapshot).ok());
}

// One commit each: a piece of moving old events goes along with it.
void append_until(Journal& journal, uint64_t first, uint64_t last) {
  for (uint64_t seq = first; seq <= last; ++seq) {
    const v1::Event event = event_of(seq);
    ASSERT_TRUE(journal.append({&event, 1}).ok()) << seq;
    ASSERT_TRUE(journal.upkeep().ok()) << seq;
  }
}

// So many that all are moved which the older snapshot holds: four archives.
void fill(const fs::path& file) {
  auto journal = opened(file);
  append_until(*journal, 1, 100);
  snapshot_at(*journal, kOlder);
  snapshot_at(*journal, kNewer);
  append_until(*journal, 101, kEvents);
}

std::vector<fs::path> archives(const fs::path& file) {
  std::set<fs::path> out;
  for (const auto& entry : fs::directory_iterator(file.parent_path() / "archive")) out.insert(entry.path());
  return {out.begin(), out.end()};
}

int64_t rows(const fs::path& file) {
  return Sqlite::open(file)->integer("SELECT count(*) FROM events").value();
}

void expect_all(const fs::path& file, uint64_t events) {
  auto journal = opened(file);
  auto loaded = journal->load();
  ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
  EXPECT_EQ(loaded->seq, events);
  EXPECT_EQ(loaded->events.size(), events - kNewer);
  auto told = count_told(*journal);
  ASSERT_TRUE(told.ok()) << told.status().to_string();
  EXPECT_EQ(*told, events);
}

TEST(Archives, HoldWhatTheOlderSnapshotHoldsAndNoMore) {
  Folder folder;
  {
    auto journal = opened(folder.file());
    append_until(*journal, 1, 100);
    snapshot_at(*journal, kNewer);
    append_until(*journal, 101, kEvents);
  }
  EXPECT_FALSE(fs::exists(folder.file().parent_path() / "archive"))
      << "a single snapshot may be damaged: nothing is moved";
  Folder two;
  fill(two.file());
  EXPECT_EQ(archives(two.file()).size(), 4u);
  EXPECT_EQ(rows(two.file()), static_cast<int64_t>(kEvents) - 80);
  expect_all(two.file(), kEvents);
}

TEST(Archives, AreSealedAndRecordedWithTheirHash) {
  Folder folder;
  fill(folder.file());
  Sqlite db = Sqlite::open(folder.file()).value();
  Statement recorded = db.prepare("SELECT file, sha256 FROM archives ORDER BY first").value();
  for (const fs::path& path : archives(folder.file())) {
    ASSERT_TRUE(recorded.step().value());
    EXPECT_EQ(recorded.text(0), path.filename().string());
    EXPECT_EQ(recorded.text(1), sha256_hex_of_file(path).value());
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0400u);
  }
}

TEST(Archives, NumbersGoOnAfterARestart) {
  Folder folder;
  fill(folder.file());
  auto journal = opened(folder.file());
  const v1::Event repeated = event_of(kEvents), next = event_of(kEvents + 1);
  EXPECT_FALSE(journal->append({&repeated, 1}).ok());
  EXPECT_TRUE(journal->append({&next, 1}).ok());
}

// A child is killed after each commit, and so after each piece that went along with it; the next process goes
// on, and nothing is lost or told twice.
TEST(Archives, AProcessKilledAfterAnyPieceLosesNothing) {
  for (uint64_t kill_after = 100; kill_after <= kEvents; ++kill_after) {
    Folder folder;
    const pid_t child = fork();
    if (child == 0) {
      auto journal = opened(folder.file());
      append_until(*journal, 1, 100);
      snapshot_at(*journal, kOlder);
      snapshot_at(*journal, kNewer);
      append_until(*journal, 101, kill_after);
      kill(getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "after " << kill_after;
    ASSERT_NO_FATAL_FAILURE(expect_all(folder.file(), kill_after)) << "after " << kill_after;
    append_until(*opened(folder.file()), kill_after + 1, kEvents + 40);
    ASSERT_NO_FATAL_FAILURE(expect_all(folder.file(), kEvents + 40)) << "after " << kill_after;
    EXPECT_EQ(archives(folder.file()).size(), 4u) << "after " << kill_after;
    EXPECT_EQ(rows(folder.file()), static_cast<int64_t>(kEvents) + 40 - 80) << "after " << kill_after;
  }
}

// Two damaged snapshots: the state comes from the first event on, out of the archives.
TEST(Archives, AStartWithoutSnapshotsReadsThem) {
  Folder folder;
  fill(folder.file());
  ASSERT_TRUE(Sqlite::open(folder.file())->execute("UPDATE snapshots SET body = x'00'").ok());
  auto loaded = opened(folder.file())->load();
  ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
  EXPECT_FALSE(loaded->snapshot.has_value());
  ASSERT_EQ(loaded->events.size(), kEvents);
  EXPECT_EQ(loaded->events[41].seq(), 42u);
}

TEST(Archives, DamageIsNamedAndTheRestGoesOn) {
  Folder folder;
  fill(folder.file());
  const fs::path second = archives(folder.file())[1];
  const std::string good = read_file(second).value();
  for (const bool missing : {false, true}) {
    fs::remove(second);
    if (!missing) {
      std::string bad = good;
      bad[bad.size() / 2] ^= 4;
      std::ofstream(second, std::ios::binary) << bad;
    }
    auto journal = opened(folder.file());
    EXPECT_TRUE(journal->load().ok()) << "a start needs no archive";
    EXPECT_TRUE(journal->about("a", 1, 2).ok());
    auto page = journal->about("a", 21, 100);
    ASSERT_FALSE(page.ok());
    EXPECT_EQ(page.status().code(), Code::kDataLoss);
    EXPECT_NE(page.status().message().find(second.string()), std::string::npos) << page.status().message();
    EXPECT_NE(page.status().message().find(missing ? "missing" : "damaged"), std::string::npos);
    EXPECT_TRUE(journal->about("a", 41, 100).ok());
  }
}

// A damaged event stays where it is seen: it is never sealed, and commits go on.
TEST(Archives, ADamagedEventIsNotArchived) {
  Folder folder;
  {
    auto journal = opened(folder.file());
    append_until(*journal, 1, 100);
  }
  ASSERT_TRUE(Sqlite::open(folder.file())->execute("UPDATE events SET body = x'00' WHERE seq = 7").ok());
  {
    auto journal = opened(folder.file());
    snapshot_at(*journal, kOlder);
    snapshot_at(*journal, kNewer);
    append_until(*journal, 101, kEvents);
  }
  EXPECT_EQ(rows(folder.file()), static_cast<int64_t>(kEvents));
  auto page = opened(folder.file())->about("b", 1, 100);
  ASSERT_FALSE(page.ok());
  EXPECT_NE(page.status().message().find("event 7 is damaged"), std::string::npos) << page.status().message();
}

}  // namespace
}  // namespace rekindle::coordinator
