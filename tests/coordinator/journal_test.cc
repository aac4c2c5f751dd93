// One contract suite for every journal, then what only a file can suffer.
#include "coordinator/journal/journal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/files.h"
#include "base/ids.h"
#include "coordinator/journal/commit_thread.h"
#include "coordinator/journal/fake_journal.h"
#include "coordinator/journal/sqlite.h"
#include "coordinator/journal/sqlite_journal.h"

namespace rekindle::coordinator {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/rekindle-journal-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path file() const { return path_ / "journal.db"; }

 private:
  fs::path path_;
};

v1::Event queued(uint64_t seq, const std::string& job, uint64_t number) {
  v1::Event event;
  event.set_seq(seq);
  event.set_time_us(1000 + static_cast<int64_t>(seq));
  event.set_actor("operator");
  v1::Run& run = *event.mutable_run_queued();
  run.set_id(job + "-" + std::to_string(number));
  run.set_job(job);
  run.set_state(v1::QUEUED);
  run.set_cause(v1::CAUSE_DRIFT);
  run.set_queued_us(event.time_us());
  return event;
}

v1::Event ended(uint64_t seq, const std::string& run, v1::RunState state, uint64_t version) {
  v1::Event event;
  event.set_seq(seq);
  event.set_time_us(5000);
  event.mutable_run_ended()->set_run(run);
  event.mutable_run_ended()->set_state(state);
  event.mutable_run_ended()->set_version(version);
  return event;
}

v1::Event published(uint64_t seq, const std::string& model, uint64_t number) {
  v1::Event event;
  event.set_seq(seq);
  event.mutable_version_published()->set_model(model);
  event.mutable_version_published()->set_number(number);
  return event;
}

v1::Event moved(uint64_t seq, const std::string& model, uint64_t from, uint64_t to) {
  v1::Event event;
  event.set_seq(seq);
  event.mutable_alias_moved()->set_model(model);
  event.mutable_alias_moved()->set_alias("champion");
  event.mutable_alias_moved()->set_from(from);
  event.mutable_alias_moved()->set_to(to);
  return event;
}

Status append(Journal& journal, std::vector<v1::Event> events) {
  return journal.append(events);
}

// --- The contract

class JournalContract : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Journal> open() {
    if (std::string_view(GetParam()) == "memory") return std::make_unique<FakeJournal>(storage_);
    auto journal = open_sqlite_journal(folder_.file());
    EXPECT_TRUE(journal.ok()) << journal.status().to_string();
    return std::move(journal).value();
  }
  std::shared_ptr<FakeJournalStorage> storage_ = std::make_shared<FakeJournalStorage>();
  Folder folder_;
};

TEST_P(JournalContract, StartsEmpty) {
  auto loaded = open()->load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->seq, 0u);
  EXPECT_TRUE(loaded->events.empty());
  EXPECT_FALSE(loaded->snapshot.has_value());
}

TEST_P(JournalContract, GivesBackWhatWasAppended) {
  {
    auto journal = open();
    ASSERT_TRUE(append(*journal, {queued(1, "a", 1), queued(2, "a", 2)}).ok());
    ASSERT_TRUE(append(*journal, {}).ok());
    ASSERT_TRUE(append(*journal, {queued(3, "b", 1)}).ok());
  }
  auto loaded = open()->load();
  ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
  EXPECT_EQ(loaded->seq, 3u);
  ASSERT_EQ(loaded->events.size(), 3u);
  EXPECT_EQ(loaded->events[2].SerializeAsString(), queued(3, "b", 1).SerializeAsString());
}

TEST_P(JournalContract, RefusesGapsAndRepeatsWithoutEffect) {
  auto journal = open();
  ASSERT_TRUE(append(*journal, {queued(1, "a", 1)}).ok());
  EXPECT_EQ(append(*journal, {queued(3, "a", 2)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(append(*journal, {queued(1, "a", 2)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(append(*journal, {queued(2, "a", 2), queued(4, "a", 3)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(journal->load()->seq, 1u);
  EXPECT_EQ(journal->runs(10)->size(), 1u);
  EXPECT_TRUE(append(*journal, {queued(2, "a", 2)}).ok());
}

TEST_P(JournalContract, LoadsFromTheNewestSnapshot) {
  {
    auto journal = open();
    ASSERT_TRUE(append(*journal, {queued(1, "a", 1), queued(2, "a", 2), queued(3, "a", 3)}).ok());
    v1::Snapshot snapshot;
    snapshot.set_seq(4);
    EXPECT_FALSE(journal->save_snapshot(snapshot).ok()) << "of events that are not stored";
    snapshot.set_seq(2);
    snapshot.add_jobs()->set_name("a");
    ASSERT_TRUE(journal->save_snapshot(snapshot).ok());
  }
  auto loaded = open()->load();
  ASSERT_TRUE(loaded.ok());
  ASSERT_TRUE(loaded->snapshot.has_value());
  EXPECT_EQ(loaded->snapshot->jobs(0).name(), "a");
  ASSERT_EQ(loaded->events.size(), 1u);
  EXPECT_EQ(loaded->events[0].seq(), 3u);
  EXPECT_EQ(loaded->seq, 3u);
}

TEST_P(JournalContract, KeepsProjections) {
  auto journal = open();
  ASSERT_TRUE(
      append(*journal, {queued(1, "a", 1), published(2, "a", 1), ended(3, "a-1", v1::PUBLISHED, 1),
                        moved(4, "a", 0, 1), queued(5, "b", 1), published(6, "a", 2), moved(7, "a", 1, 2)})
          .ok());
  v1::Event barred;
  barred.set_seq(8);
  barred.mutable_version_barred()->set_model("a");
  barred.mutable_version_barred()->set_number(2);
  barred.mutable_version_barred()->set_barred_reason("too slow");
  ASSERT_TRUE(append(*journal, {barred}).ok());

  auto runs = journal->runs(10);
  ASSERT_TRUE(runs.ok());
  ASSERT_EQ(runs->size(), 2u);
  EXPECT_EQ((*runs)[0].id, "b-1");
  EXPECT_EQ((*runs)[0].state, v1::QUEUED);
  EXPECT_EQ((*runs)[1].state, v1::PUBLISHED);
  EXPECT_EQ((*runs)[1].version, 1u);
  EXPECT_EQ((*runs)[1].ended_us, 5000);
  EXPECT_EQ((*runs)[1].cause, v1::CAUSE_DRIFT);
  EXPECT_EQ(journal->runs(1)->size(), 1u);

  auto versions = journal->versions("a");
  ASSERT_EQ(versions->size(), 2u);
  EXPECT_FALSE((*versions)[0].barred());
  EXPECT_TRUE((*versions)[1].barred());
  EXPECT_EQ((*versions)[1].barred_reason(), "too slow");
  EXPECT_TRUE(journal->versions("b")->empty());

  auto history = journal->alias_history("a");
  ASSERT_EQ(history->size(), 2u);
  EXPECT_EQ((*history)[1].to(), 2u);
}

TEST_P(JournalContract, FindsEventsBySubject) {
  auto journal = open();
  ASSERT_TRUE(
      append(*journal, {queued(1, "a", 1), queued(2, "b", 1), ended(3, "a-1", v1::REJECTED, 0)}).ok());
  auto events = journal->about("a", 1, 10);
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[1].seq(), 3u);
  EXPECT_EQ(journal->about("a", 2, 10)->size(), 1u);
  EXPECT_EQ(journal->about("a", 1, 1)->size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(All, JournalContract, testing::Values("memory", "sqlite"),
                         [](const auto& info) { return std::string(info.param); });

// --- The file

std::string slurp(const fs::path& path) {
  return read_file(path).value();
}
void spill(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void fill(const fs::path& file, uint64_t count) {
  auto journal = open_sqlite_journal(file);
  ASSERT_TRUE(journal.ok()) << journal.status().to_string();
  for (uint64_t seq = 1; seq <= count; ++seq) ASSERT_TRUE(append(**journal, {queued(seq, "a", seq)}).ok());
}

TEST(SqliteJournal, RefusesNewerSchemaAndForeignFiles) {
  Folder folder;
  fill(folder.file(), 1);
  {
    auto db = Sqlite::open(folder.file());
    ASSERT_TRUE(db->execute("PRAGMA user_version=7").ok());
  }
  auto newer = open_sqlite_journal(folder.file());
  ASSERT_FALSE(newer.ok());
  EXPECT_NE(newer.status().message().find("newer rekindle (schema 7"), std::string::npos)
      << newer.status().message();

  Folder other;
  {
    auto db = Sqlite::open(other.file());
    ASSERT_TRUE(db->execute("CREATE TABLE t(x)").ok());
  }
  auto foreign = open_sqlite_journal(other.file());
  ASSERT_FALSE(foreign.ok());
  EXPECT_NE(foreign.status().message().find("something else"), std::string::npos);

  Folder text;
  spill(text.file(), std::string(5000, 'x'));
  auto garbage = open_sqlite_journal(text.file());
  ASSERT_FALSE(garbage.ok());
  EXPECT_EQ(garbage.status().code(), Code::kDataLoss);
  EXPECT_NE(garbage.status().message().find(text.file().string()), std::string::npos);
}

TEST(SqliteJournal, RefusesASecondConnection) {
  Folder folder;
  auto first = open_sqlite_journal(folder.file());
  ASSERT_TRUE(first.ok());
  auto second = open_sqlite_journal(folder.file());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("another process"), std::string::npos)
      << second.status().message();
}

TEST(SqliteJournal, NamesADamagedEvent) {
  Folder folder;
  fill(folder.file(), 5);
  {
    auto db = Sqlite::open(folder.file());
    ASSERT_TRUE(db->execute("UPDATE events SET body = zeroblob(length(body)) WHERE seq = 3").ok());
  }
  auto journal = open_sqlite_journal(folder.file());
  ASSERT_TRUE(journal.ok());
  auto loaded = (*journal)->load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.status().message().find("event 3 is damaged"), std::string::npos)
      << loaded.status().message();
}

TEST(SqliteJournal, NamesAMissingEvent) {
  Folder folder;
  fill(folder.file(), 5);
  {
    auto db = Sqlite::open(folder.file());
    ASSERT_TRUE(db->execute("DELETE FROM events WHERE seq = 2").ok());
  }
  auto loaded = (*open_sqlite_journal(folder.file()))->load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.status().message().find("event 2 is missing"), std::string::npos);
}

TEST(SqliteJournal, FallsBackToAnOlderSnapshot) {
  Folder folder;
  fill(folder.file(), 4);
  {
    auto journal = open_sqlite_journal(folder.file());
    v1::Snapshot snapshot;
    for (uint64_t seq : {1u, 2u, 3u}) {
      snapshot.set_seq(seq);
      ASSERT_TRUE((*journal)->save_snapshot(snapshot).ok());
    }
  }
  {
    auto db = Sqlite::open(folder.file());
    EXPECT_EQ(db->integer("SELECT count(*) FROM snapshots").value(), 2);
    ASSERT_TRUE(db->execute("UPDATE snapshots SET body = x'00' WHERE seq = 3").ok());
  }
  auto journal = open_sqlite_journal(folder.file());
  auto loaded = (*journal)->load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->snapshot->seq(), 2u);
  EXPECT_EQ(loaded->events.size(), 2u);
}

// Every flip of one bit either changes nothing that is read, or is noticed by name. Never a wrong event.
TEST(SqliteJournal, NoticesBitFlips) {
  Folder folder;
  fill(folder.file(), 60);
  std::string good = slurp(folder.file());
  std::vector<std::string> expected;
  {
    auto loaded = open_sqlite_journal(folder.file()).value()->load();
    for (const v1::Event& event : loaded->events) expected.push_back(event.SerializeAsString());
  }
  int noticed = 0;
  uint64_t random = 12345;
  for (int trial = 0; trial < 300; ++trial) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    std::string bad = good;
    bad[(random >> 33) % bad.size()] ^= static_cast<char>(1 << ((random >> 20) % 8));
    fs::remove(folder.file().string() + "-wal");
    spill(folder.file(), bad);
    auto journal = open_sqlite_journal(folder.file());
    if (!journal.ok()) {
      ++noticed;
      EXPECT_NE(journal.status().message().find(folder.file().string()), std::string::npos);
      continue;
    }
    auto loaded = (*journal)->load();
    if (!loaded.ok()) {
      ++noticed;
      EXPECT_NE(loaded.status().message().find(folder.file().string()), std::string::npos);
      continue;
    }
    ASSERT_EQ(loaded->events.size(), expected.size()) << "trial " << trial;
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_EQ(loaded->events[i].SerializeAsString(), expected[i]) << "trial " << trial;
  }
  EXPECT_GT(noticed, 20);  // most of a small file is unused space
}

// A log cut anywhere, as a crash of the machine may leave it, gives a prefix without a gap.
TEST(SqliteJournal, TruncatedLogGivesAPrefix) {
  Folder folder;
  pid_t child = fork();
  if (child == 0) {
    // Leaves without closing: the log stays.
    auto journal = open_sqlite_journal(folder.file());
    for (uint64_t seq = 1; seq <= 20; ++seq)
      if (!append(**journal, {queued(seq, "a", seq)}).ok()) _exit(1);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  fs::path wal = folder.file().string() + "-wal";
  std::string base = slurp(folder.file()), log = slurp(wal);
  ASSERT_GT(log.size(), 20000u);
  uint64_t most = 0;
  for (size_t part = 0; part <= 16; ++part) {
    spill(folder.file(), base);
    spill(wal, log.substr(0, log.size() * part / 16));
    auto journal = open_sqlite_journal(folder.file());
    ASSERT_TRUE(journal.ok()) << journal.status().to_string();
    auto loaded = (*journal)->load();
    ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
    EXPECT_EQ(loaded->events.size(), loaded->seq);
    EXPECT_GE(loaded->seq, most);
    most = loaded->seq;
  }
  EXPECT_EQ(most, 20u);
}

// A log damaged in the middle would silently end there: commits behind it were acknowledged.
TEST(SqliteJournal, NoticesADamagedLog) {
  Folder folder;
  pid_t child = fork();
  if (child == 0) {
    auto journal = open_sqlite_journal(folder.file());
    for (uint64_t seq = 1; seq <= 20; ++seq)
      if (!append(**journal, {queued(seq, "a", seq)}).ok()) _exit(1);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  fs::path wal = folder.file().string() + "-wal";
  std::string base = slurp(folder.file()), log = slurp(wal);
  uint64_t random = 99;
  int noticed = 0;
  for (int trial = 0; trial < 200; ++trial) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    std::string bad = log;
    // Not in the last commit: it cannot be told from one that was torn before anybody was answered.
    const size_t at = trial < 32 ? static_cast<size_t>(trial) : (random >> 33) % (bad.size() * 3 / 4);
    bad[at] ^= static_cast<char>(1 << ((random >> 20) % 8));
    spill(folder.file(), base);
    spill(wal, bad);
    auto journal = open_sqlite_journal(folder.file());
    if (!journal.ok()) {
      ++noticed;
      EXPECT_NE(journal.status().message().find(folder.file().string()), std::string::npos)
          << journal.status().message();
      continue;
    }
    auto loaded = (*journal)->load();
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->seq, 20u) << "a flip at " << at << " lost events without a word";
  }
  EXPECT_GT(noticed, 150);
}

// A child appends and writes each acknowledged number to a pipe until it is killed.
TEST(SqliteJournal, KilledAtAnyInstantLosesNothingAcknowledged) {
  Folder folder;
  uint64_t acknowledged = 0;
  for (int round = 0; round < 12; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
      close(pipe_ends[0]);
      auto journal = open_sqlite_journal(folder.file());
      if (!journal.ok()) _exit(2);
      auto loaded = (*journal)->load();
      if (!loaded.ok()) _exit(3);
      for (uint64_t seq = loaded->seq + 1;; ++seq) {
        if (!append(**journal, {queued(seq, "a", seq)}).ok()) _exit(4);
        if (write(pipe_ends[1], &seq, sizeof seq) != sizeof seq) _exit(5);
      }
    }
    close(pipe_ends[1]);
    uint64_t seq = 0;
    for (int i = 0; i < 1 + round * 7 % 23; ++i)
      if (read(pipe_ends[0], &seq, sizeof seq) == sizeof seq) acknowledged = seq;
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &seq, sizeof seq) == sizeof seq) acknowledged = seq;
    close(pipe_ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    auto loaded = (*open_sqlite_journal(folder.file()))->load();
    ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
    EXPECT_GE(loaded->seq, acknowledged);
    EXPECT_LE(loaded->seq, acknowledged + 1);
  }
  EXPECT_GT(acknowledged, 12u);
}

// --- The commit thread

TEST(CommitThread, ReportsDurableNumbersInOrderAndFlushesOnStop) {
  auto storage = std::make_shared<FakeJournalStorage>();
  std::vector<uint64_t> durable;
  {
    CommitObserver observer;
    observer.on_durable = [&](uint64_t seq) { durable.push_back(seq); };
    CommitThread thread(std::make_unique<FakeJournal>(storage), observer);
    for (uint64_t seq = 1; seq <= 100; ++seq) thread.append({queued(seq, "a", seq)});
    thread.stop();
  }
  EXPECT_EQ(storage->events.size(), 100u);
  ASSERT_FALSE(durable.empty());
  EXPECT_TRUE(std::is_sorted(durable.begin(), durable.end()));
  EXPECT_EQ(durable.back(), 100u);
}

TEST(CommitThreadDeathTest, AFailedCommitEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        auto storage = std::make_shared<FakeJournalStorage>();
        storage->fail_next = unavailable("disk I/O error");
        CommitObserver observer;
        observer.on_failure = [](const Status& status) {
          fprintf(stderr, "%s\n", status.message().c_str());
          _exit(74);
        };
        CommitThread thread(std::make_unique<FakeJournal>(storage), observer);
        thread.append({queued(1, "a", 1)});
        thread.stop();
      },
      testing::ExitedWithCode(74), "disk I/O error");
}

}  // namespace
}  // namespace rekindle::coordinator
