#include "coordinator/journal/sqlite_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/faults/crash_point.h"
#include "base/files.h"
#include "base/log.h"
#include "base/sqlite/online_copy.h"
#include "coordinator/journal/archives.h"
#include "coordinator/journal/event_rows.h"
#include "coordinator/journal/projections.h"
#include "coordinator/journal/schema.h"
#include "coordinator/journal/sqlite.h"
#include "coordinator/journal/wal_check.h"

namespace rekindle::coordinator {

namespace {

constexpr int kCopyPages = 256;  // some milliseconds

class SqliteJournal final : public Journal {
 public:
  SqliteJournal(Sqlite db, const fs::path& archive, const SqliteJournalOptions& options)
      : db_(std::move(db)), archives_(db_, archive, options.archive_events) {}

  Status prepare() {
    TRY_STATUS(insert_event_.prepare(db_));
    TRY_STATUS(projections_.prepare(db_));
    TRY_STATUS(archives_.open());
    last_ = static_cast<uint64_t>(TRY(db_.integer("SELECT coalesce(max(seq), 0) FROM events")));
    if (last_ < archives_.last()) last_ = archives_.last();
    return note_snapshots();
  }

  Result<Loaded> load() override {
    Loaded out;
    out.snapshot = TRY(newest_snapshot());
    uint64_t next = out.snapshot ? out.snapshot->seq() + 1 : 1;
    auto take = [&](v1::Event event) {
      out.events.push_back(std::move(event));
      return ok_status();
    };
    if (next <= archives_.last()) {
      TRY_STATUS(archives_.read(next, take));
      next = archives_.last() + 1;
    }
    TRY_STATUS(read_events(db_, next, last_, take));
    out.seq = last_;
    return out;
  }

  Status append(std::span<const v1::Event> events) override {
    if (events.empty()) return ok_status();
    uint64_t next = last_ + 1;
    for (const v1::Event& event : events)
      if (event.seq() != next++)
        return invalid_argument(
            fmt::format("{}: event {} does not follow the last one, {}", db_.file(), event.seq(), last_));
    TRY_STATUS(db_.execute("BEGIN IMMEDIATE"));
    Status status = insert(events);
    crash_point("journal-inserted");
    if (status.ok()) status = db_.execute("COMMIT");
    if (!status.ok()) {
      Status rolled_back = db_.execute("ROLLBACK");
      if (!rolled_back.ok()) log_warning("journal rollback", {{"error", rolled_back.message()}});
      return status;
    }
    last_ = events.back().seq();
    return ok_status();
  }

  // So little that the next commit waits some milliseconds at most. A disk that fails here fails as it would
  // in a commit, which ends the process; what else goes wrong only keeps old events where they are.
  Status upkeep() override {
    TRY_STATUS(db_.checkpoint_when_long());
    if (!moving_) return ok_status();
    const Status moved = archives_.move(older_snapshot_).status();
    if (moved.code() == Code::kUnavailable || moved.code() == Code::kInternal) return moved;
    if (!moved.ok()) log_error("old events stay in the journal", {{"error", moved.message()}});
    moving_ = moved.ok();
    return ok_status();
  }

  Status save_snapshot(const v1::Snapshot& snapshot) override {
    if (snapshot.seq() > last_)
      return invalid_argument(
          fmt::format("{}: a snapshot at {} of events that end at {}", db_.file(), snapshot.seq(), last_));
    std::string body = snapshot.SerializeAsString();
    Statement insert = TRY(db_.prepare("INSERT OR REPLACE INTO snapshots VALUES(?,?,?)"));
    insert.bind(1, static_cast<int64_t>(snapshot.seq())).bind_blob(2, body);
    insert.bind(3, row_checksum(snapshot.seq(), body));
    TRY_STATUS(insert.run());
    TRY_STATUS(db_.execute(
        "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 2)"));
    TRY_STATUS(note_snapshots());
    return upkeep();
  }

  Result<std::vector<v1::Event>> about(const std::string& subject, uint64_t from_seq,
                                       uint32_t limit) override {
    std::vector<v1::Event> out;
    for (uint64_t from = std::max<uint64_t>(1, from_seq); from != 0 && out.size() < limit;) {
      const uint32_t most = limit - static_cast<uint32_t>(out.size());
      EventPage page = from <= archives_.last() ? TRY(archives_.about(subject, from, most))
                                                : TRY(events_about(db_, subject, from, most));
      for (v1::Event& event : page.events) out.push_back(std::move(event));
      from = page.next;
    }
    return out;
  }

  Result<uint64_t> queued_at(const std::string& run) override { return Projections::queued_at(db_, run); }

  Status begin_copy(const fs::path& to) override {
    if (copy_ != nullptr) return failed_precondition(db_.file() + " is being copied already");
    copy_ = TRY(db_.begin_copy(to));
    return ok_status();
  }
  Result<bool> copy_piece() override {
    CHECK(copy_ != nullptr, "a copy is begun first");
    const Result<bool> more = copy_->piece(kCopyPages);
    if (!more.ok() || !*more) copy_.reset();
    return more;
  }
  void drop_copy() override { copy_.reset(); }

  Result<std::vector<RunRow>> runs(uint32_t limit) override { return Projections::runs(db_, limit); }
  Result<std::vector<v1::AliasMove>> alias_history(const std::string& model) override {
    return Projections::alias_history(db_, model);
  }
  Result<std::vector<v1::Version>> versions(const std::string& model) override {
    return Projections::versions(db_, model);
  }

 private:
  Status insert(std::span<const v1::Event> events) {
    for (const v1::Event& event : events) {
      TRY_STATUS(insert_event_(event));
      TRY_STATUS(projections_.apply(event));
    }
    return ok_status();
  }

  // A damaged snapshot costs only time: an older one, or none, gives the same state.
  Result<std::optional<v1::Snapshot>> newest_snapshot() {
    Statement rows = TRY(db_.prepare("SELECT seq, body, checksum FROM snapshots ORDER BY seq DESC"));
    while (TRY(rows.step())) {
      uint64_t seq = static_cast<uint64_t>(rows.integer(0));
      std::string body = rows.text(1);
      v1::Snapshot snapshot;
      if (row_checksum(seq, body) == rows.integer(2) && snapshot.ParseFromString(body) &&
          snapshot.seq() == seq)
        return std::optional(std::move(snapshot));
      log_warning("journal snapshot is damaged, an older one is used", {{"file", db_.file()}, {"seq", seq}});
    }
    return std::optional<v1::Snapshot>();
  }

  // Only what the older of two snapshots holds may leave the journal: a start from either one then reads
  // the journal alone.
  Status note_snapshots() {
    const bool two = TRY(db_.integer("SELECT count(*) FROM snapshots")) >= 2;
    older_snapshot_ = two ? static_cast<uint64_t>(TRY(db_.integer("SELECT min(seq) FROM snapshots"))) : 0;
    return ok_status();
  }

  Sqlite db_;
  EventInsert insert_event_;
  Projections projections_;
  Archives archives_;
  uint64_t last_ = 0;
  uint64_t older_snapshot_ = 0;  // 0: there are not two
  bool moving_ = true;           // old events to archives
  std::unique_ptr<OnlineCopy> copy_;
};

}  // namespace

Result<std::unique_ptr<Journal>> open_sqlite_journal(const std::filesystem::path& file,
                                                     const SqliteJournalOptions& options) {
  std::string network = network_filesystem(file.parent_path());
  if (!network.empty())
    return failed_precondition(
        fmt::format("{} lies on {}, a network filesystem, which does not keep SQLite's promises: "
                    "put the state folder on a local disk",
                    file.parent_path().string(), network));
  TRY_STATUS(check_write_ahead_log(file.string() + "-wal"));
  // Made here, so that it is private whatever the umask; the log inherits its mode.
  if (Fd made(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)); !made.valid())
    return errno_status("opening", file);
  Sqlite db = TRY(Sqlite::open(file));
  TRY_STATUS(bring_up_to_date(db));
  // An empty log to start with: what a torn write left behind never meets new frames.
  TRY_STATUS(db.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  log_info("journal opened", {{"file", file.string()}, {"sqlite", sqlite3_libversion()}});
  auto journal = std::make_unique<SqliteJournal>(std::move(db), file.parent_path() / "archive", options);
  TRY_STATUS(journal->prepare());
  return std::unique_ptr<Journal>(std::move(journal));
}

}  // namespace rekindle::coordinator
