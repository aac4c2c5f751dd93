// The journal on a disk that loses power: whatever was acknowledged is there afterwards, in journal.db or in
// an archive, and a sync that failed is never passed over.
#include <gtest/gtest.h>

#include "coordinator/journal/sqlite.h"
#include "coordinator/journal/sqlite_journal.h"
#include "tests/journal/events.h"
#include "tests/journal/power_cut.h"

namespace rekindle::coordinator {
namespace {

// So small that a short test archives.
const SqliteJournalOptions kSmall{.archive_events = 16};

struct Promised {
  uint64_t acknowledged = 0;
  uint64_t tried = 0;
};

// Appends up to `until`, with snapshots and upkeep in between. The status of the first call that failed.
Status work(Journal& journal, uint64_t until, std::mt19937_64& random, Promised& promised) {
  while (promised.acknowledged < until) {
    std::vector<v1::Event> batch;
    for (uint64_t count = 1 + random() % 6; count > 0; --count)
      batch.push_back(event_of(promised.acknowledged + batch.size() + 1));
    promised.tried = batch.back().seq();
    TRY_STATUS(journal.append(batch));
    promised.acknowledged = promised.tried;
    TRY_STATUS(journal.upkeep());
    if (random() % 5 == 0) {
      v1::Snapshot snapshot;
      snapshot.set_seq(promised.acknowledged);
      snapshot.add_jobs()->set_name(std::string(random() % 6'000, 'j'));
      TRY_STATUS(journal.save_snapshot(snapshot));
    }
  }
  return ok_status();
}

// All events, wherever they lie, in order and unchanged.
void expect_whole(const std::filesystem::path& file, const Promised& promised, const std::string& what) {
  auto journal = open_sqlite_journal(file, kSmall);
  ASSERT_TRUE(journal.ok()) << what << journal.status().to_string();
  auto loaded = (*journal)->load();
  ASSERT_TRUE(loaded.ok()) << what << loaded.status().to_string();
  ASSERT_GE(loaded->seq, promised.acknowledged) << what << "an acknowledged event is lost";
  ASSERT_LE(loaded->seq, promised.tried) << what;
  const uint64_t after = loaded->snapshot ? loaded->snapshot->seq() : 0;
  ASSERT_EQ(loaded->events.size(), loaded->seq - after) << what;
  auto told = count_told(**journal);
  ASSERT_TRUE(told.ok()) << what << told.status().to_string();
  ASSERT_EQ(*told, loaded->seq) << what << "each event is told once";
  ASSERT_EQ((*journal)->runs(1'000)->size(), loaded->seq) << what;
}

TEST(PowerCut, EveryAcknowledgedAppendIsThereAfterwards) {
  uint64_t cuts = 0, archived = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    Folder folder;
    PowerCut disk;
    Promised promised;
    // Cut again while it recovers, and after that.
    for (int life = 0; life < 3; ++life) {
      const std::string what = "seed " + std::to_string(seed) + ", life " + std::to_string(life) + ": ";
      disk.cut_after(20 + random() % 500);
      {
        auto journal = open_sqlite_journal(folder.file(), kSmall);
        if (journal.ok()) {
          auto loaded = (*journal)->load();
          ASSERT_TRUE(loaded.ok()) << what << loaded.status().to_string();
          ASSERT_GE(loaded->seq, promised.acknowledged) << what << "an acknowledged event is lost";
          promised.acknowledged = promised.tried = loaded->seq;
          const Status status = work(**journal, 150, random, promised);
          ASSERT_TRUE(status.ok() || disk.cut()) << what << status.to_string();
        } else {
          ASSERT_TRUE(disk.cut()) << what << journal.status().to_string();
        }
      }
      cuts += disk.cut() ? 1 : 0;
      disk.cut_and_restore(random());
    }
    ASSERT_NO_FATAL_FAILURE(expect_whole(folder.file(), promised, "seed " + std::to_string(seed) + ": "));
    if (std::filesystem::exists(folder.file().parent_path() / "archive")) ++archived;
  }
  EXPECT_GT(cuts, 300u) << "the test cuts in the middle of things";
  EXPECT_GT(archived, 100u) << "and while events are archived";
}

// For every sync there is: the call that needed it says so, with the code that ends the process.
TEST(PowerCut, NoFailedSyncIsPassedOver) {
  uint64_t failed = 0;
  for (uint64_t n = 1;; ++n) {
    std::mt19937_64 random(7);
    Folder folder;
    PowerCut disk;
    Promised promised;
    Status status;
    disk.fail_sync(n);
    {
      auto journal = open_sqlite_journal(folder.file(), kSmall);
      status = journal.ok() ? work(**journal, 700, random, promised) : journal.status();
      if (disk.sync_failed()) {
        ASSERT_FALSE(status.ok()) << "sync " << n << " failed and nobody said so";
        EXPECT_EQ(status.code(), Code::kUnavailable) << status.to_string();
        ++failed;
      } else {
        ASSERT_TRUE(status.ok()) << status.to_string();
      }
      disk.fail_sync(0);
      disk.cut_after(1);  // nothing is tidied up on the way out: the process ended
    }
    const bool over = !disk.sync_failed();
    disk.cut_and_restore(n);
    ASSERT_NO_FATAL_FAILURE(expect_whole(folder.file(), promised, "failed sync " + std::to_string(n) + ": "));
    if (over) break;
  }
  EXPECT_GT(failed, 300u);
}

// The disk bites: with a weaker setting it loses what was acknowledged.
TEST(PowerCut, TakesWhatWasNotSynced) {
  int lost = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Folder folder;
    PowerCut disk;
    {
      auto db = Sqlite::open(folder.file());
      ASSERT_TRUE(db.ok());
      ASSERT_TRUE(db->execute("CREATE TABLE t(x)").ok());
      ASSERT_TRUE(db->execute("PRAGMA synchronous=NORMAL").ok());
      for (int i = 0; i < 20; ++i) ASSERT_TRUE(db->execute("INSERT INTO t VALUES(1)").ok());
      disk.cut_after(1);
    }
    disk.cut_and_restore(seed);
    auto db = Sqlite::open(folder.file());
    ASSERT_TRUE(db.ok());
    auto count = db->integer("SELECT count(*) FROM t");
    lost += count.ok() && *count < 20;
  }
  EXPECT_GT(lost, 5);
}

}  // namespace
}  // namespace rekindle::coordinator
