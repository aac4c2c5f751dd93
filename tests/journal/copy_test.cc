// A copy made while events come in: it is of the moment when it ends, and nothing of it is torn.
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "coordinator/journal/copied.h"
#include "coordinator/journal/sqlite_journal.h"
#include "tests/journal/events.h"

namespace rekindle::coordinator {
namespace {

const SqliteJournalOptions kSmall{.archive_events = 500};

class Copies : public testing::Test {
 protected:
  void SetUp() override {
    journal_ = open_sqlite_journal(folder_.file(), kSmall).value();
    for (uint64_t until : {2'000, 4'000, 6'000}) append(until);
  }
  // A commit of all up to this one.
  void append(uint64_t until) {
    std::vector<v1::Event> batch;
    while (last_ < until) batch.push_back(event_of(++last_));
    ASSERT_TRUE(journal_->append(batch).ok());
    ASSERT_TRUE(journal_->upkeep().ok());
  }
  void snapshot() {
    v1::Snapshot snapshot;
    snapshot.set_seq(last_);
    ASSERT_TRUE(journal_->save_snapshot(snapshot).ok());
  }
  fs::path copy() const { return folder_.file().parent_path() / "copies" / "journal.db"; }

  Folder folder_;
  std::unique_ptr<Journal> journal_;
  uint64_t last_ = 0;
};

TEST_F(Copies, HoldWhatWasCommittedBetweenTheirPieces) {
  fs::create_directory(copy().parent_path());
  ASSERT_TRUE(journal_->begin_copy(copy()).ok());
  EXPECT_FALSE(journal_->begin_copy(copy().string() + "2").ok()) << "one at a time";
  int pieces = 0;
  for (bool more = true; more; ++pieces) {
    // Old events move to archives meanwhile, and the log into the file: each snapshot is followed by a step
    // of it.
    for (int commit = 0; commit < 4; ++commit) {
      append(last_ + 10);
      snapshot();
    }
    const auto next = journal_->copy_piece();
    ASSERT_TRUE(next.ok()) << next.status().to_string();
    more = *next;
  }
  EXPECT_GT(pieces, 3) << "there is an in between";
  const uint64_t at_end = last_;
  append(last_ + 40);

  const auto looked = look_at_copy(copy());
  ASSERT_TRUE(looked.ok()) << looked.status().to_string();
  EXPECT_EQ(looked->seq, at_end);
  EXPECT_GT(looked->archives.size(), 0u) << "events were moved while it was made";
  fs::create_directory(copy().parent_path() / "archive");
  for (const Archive& archive : looked->archives)
    fs::copy(folder_.file().parent_path() / "archive" / archive.file, copy().parent_path() / "archive");
  auto journal = open_sqlite_journal(copy(), kSmall).value();
  const auto told = count_told(*journal);
  ASSERT_TRUE(told.ok()) << told.status().to_string();
  EXPECT_EQ(*told, at_end);
  EXPECT_EQ(journal->runs(100'000)->size(), at_end);
  journal_.reset();
  EXPECT_EQ(*count_told(*open_sqlite_journal(folder_.file(), kSmall).value()), last_)
      << "the original is as it was";
}

TEST_F(Copies, ThatAreDroppedLeaveTheJournalAlone) {
  const fs::path to = folder_.file().parent_path() / "half.db";
  ASSERT_TRUE(journal_->begin_copy(to).ok());
  ASSERT_TRUE(journal_->copy_piece().value());
  journal_->drop_copy();
  journal_->drop_copy();
  append(last_ + 40);
  EXPECT_EQ(*count_told(*journal_), last_);
  EXPECT_EQ(journal_->begin_copy(to).code(), Code::kAlreadyExists) << "never over another file";
  ASSERT_TRUE(journal_->begin_copy(to.string() + "2").ok());
  journal_.reset();  // with a copy in the making
}

TEST_F(Copies, ThatAreDamagedAreNamed) {
  const fs::path to = folder_.file().parent_path() / "copy.db";
  ASSERT_TRUE(journal_->begin_copy(to).ok());
  while (journal_->copy_piece().value()) {
  }
  ASSERT_TRUE(look_at_copy(to).ok());
  std::string bytes = read_file(to).value();
  for (size_t at = 100; at < bytes.size(); at += 4'096) bytes[at] ^= 0x10;
  std::ofstream(to, std::ios::binary) << bytes;
  const auto looked = look_at_copy(to);
  ASSERT_FALSE(looked.ok());
  EXPECT_NE(looked.status().message().find(to.string()), std::string::npos) << looked.status().message();
}

}  // namespace
}  // namespace rekindle::coordinator
