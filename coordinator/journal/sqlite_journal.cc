#include "coordinator/journal/sqlite_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "coordinator/journal/projections.h"
#include "coordinator/journal/sqlite.h"
#include "coordinator/journal/wal_check.h"

namespace rekindle::coordinator {

namespace {

constexpr int64_t kSchema = 1;
constexpr int64_t kApplication = 0x524b4a4c;  // "RKJL"

constexpr const char* kCreate = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE events(seq INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, kind TEXT NOT NULL,
                    subject TEXT NOT NULL, actor TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE INDEX events_by_subject ON events(subject, seq);
CREATE TABLE snapshots(seq INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE runs(id TEXT PRIMARY KEY, job TEXT NOT NULL, state INTEGER NOT NULL, cause INTEGER NOT NULL,
                  queued_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, version INTEGER NOT NULL,
                  queued_seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX runs_by_age ON runs(queued_seq);
CREATE TABLE versions(model TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, barred INTEGER NOT NULL,
                      barred_reason TEXT NOT NULL, PRIMARY KEY(model, number)) WITHOUT ROWID;
CREATE TABLE alias_history(seq INTEGER PRIMARY KEY, model TEXT NOT NULL, alias TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX alias_history_by_model ON alias_history(model, seq);
PRAGMA application_id=0x524b4a4c;
PRAGMA user_version=1;
COMMIT;
)sql";

int64_t checksum(uint64_t seq, std::string_view body) {
  return static_cast<int64_t>(stable_hash(body, seq));
}

class SqliteJournal final : public Journal {
 public:
  explicit SqliteJournal(Sqlite db) : db_(std::move(db)) {}

  Status prepare() {
    insert_event_ = TRY(db_.prepare("INSERT INTO events VALUES(?,?,?,?,?,?,?)"));
    TRY_STATUS(projections_.prepare(db_));
    last_ = static_cast<uint64_t>(TRY(db_.integer("SELECT coalesce(max(seq), 0) FROM events")));
    return ok_status();
  }

  Result<Loaded> load() override {
    Loaded out;
    out.snapshot = TRY(newest_snapshot());
    uint64_t next = out.snapshot ? out.snapshot->seq() + 1 : 1;
    Statement rows = TRY(db_.prepare("SELECT seq, body, checksum FROM events WHERE seq >= ? ORDER BY seq"));
    rows.bind(1, static_cast<int64_t>(next));
    while (TRY(rows.step())) {
      uint64_t seq = static_cast<uint64_t>(rows.integer(0));
      if (seq != next)
        return data_loss(
            fmt::format("{}: event {} is missing: restore the file from a copy", db_.file(), next));
      out.events.push_back(TRY(parse(seq, rows.text(1), rows.integer(2))));
      ++next;
    }
    out.seq = next - 1;
    if (out.seq != last_)
      return data_loss(fmt::format("{}: events end at {} but {} was stored: restore the file from a copy",
                                   db_.file(), out.seq, last_));
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
    if (status.ok()) status = db_.execute("COMMIT");
    if (!status.ok()) {
      Status rolled_back = db_.execute("ROLLBACK");
      if (!rolled_back.ok()) log_warning("journal rollback", {{"error", rolled_back.message()}});
      return status;
    }
    last_ = events.back().seq();
    return ok_status();
  }

  Status save_snapshot(const v1::Snapshot& snapshot) override {
    if (snapshot.seq() > last_)
      return invalid_argument(
          fmt::format("{}: a snapshot at {} of events that end at {}", db_.file(), snapshot.seq(), last_));
    std::string body = snapshot.SerializeAsString();
    Statement insert = TRY(db_.prepare("INSERT OR REPLACE INTO snapshots VALUES(?,?,?)"));
    insert.bind(1, static_cast<int64_t>(snapshot.seq())).bind_blob(2, body);
    insert.bind(3, checksum(snapshot.seq(), body));
    TRY_STATUS(insert.run());
    return db_.execute(
        "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 2)");
  }

  Result<std::vector<v1::Event>> about(const std::string& subject, uint64_t from_seq,
                                       uint32_t limit) override {
    Statement rows = TRY(db_.prepare(
        "SELECT seq, body, checksum FROM events WHERE subject = ? AND seq >= ? ORDER BY seq LIMIT ?"));
    rows.bind(1, subject).bind(2, static_cast<int64_t>(from_seq)).bind(3, static_cast<int64_t>(limit));
    std::vector<v1::Event> out;
    while (TRY(rows.step()))
      out.push_back(TRY(parse(static_cast<uint64_t>(rows.integer(0)), rows.text(1), rows.integer(2))));
    return out;
  }

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
      std::string body = event.SerializeAsString();
      insert_event_.bind(1, static_cast<int64_t>(event.seq())).bind(2, event.time_us());
      insert_event_.bind(3, kind_of(event)).bind(4, subject_of(event)).bind(5, event.actor());
      insert_event_.bind_blob(6, body).bind(7, checksum(event.seq(), body));
      TRY_STATUS(insert_event_.run());
      TRY_STATUS(projections_.apply(event));
    }
    return ok_status();
  }

  Result<v1::Event> parse(uint64_t seq, const std::string& body, int64_t stored) const {
    v1::Event event;
    if (checksum(seq, body) != stored || !event.ParseFromString(body) || event.seq() != seq)
      return data_loss(fmt::format("{}: event {} is damaged: restore the file from a copy", db_.file(), seq));
    return event;
  }

  // A damaged snapshot costs only time: an older one, or none, gives the same state.
  Result<std::optional<v1::Snapshot>> newest_snapshot() {
    Statement rows = TRY(db_.prepare("SELECT seq, body, checksum FROM snapshots ORDER BY seq DESC"));
    while (TRY(rows.step())) {
      uint64_t seq = static_cast<uint64_t>(rows.integer(0));
      std::string body = rows.text(1);
      v1::Snapshot snapshot;
      if (checksum(seq, body) == rows.integer(2) && snapshot.ParseFromString(body) && snapshot.seq() == seq)
        return std::optional(std::move(snapshot));
      log_warning("journal snapshot is damaged, an older one is used", {{"file", db_.file()}, {"seq", seq}});
    }
    return std::optional<v1::Snapshot>();
  }

  Sqlite db_;
  Statement insert_event_;
  Projections projections_;
  uint64_t last_ = 0;
};

Status check_schema(Sqlite& db) {
  int64_t tables = TRY(db.integer("SELECT count(*) FROM sqlite_schema"));
  int64_t application = TRY(db.integer("PRAGMA application_id"));
  if (tables == 0 && application == 0) return db.execute(kCreate);
  if (application != kApplication)
    return failed_precondition(db.file() + " is a database of something else: name another state folder");
  int64_t schema = TRY(db.integer("PRAGMA user_version"));
  if (schema > kSchema)
    return failed_precondition(
        fmt::format("{} was written by a newer rekindle (schema {}, this program knows up to {}): "
                    "start that version, or restore an older copy",
                    db.file(), schema, kSchema));
  if (schema < 1)
    return data_loss(fmt::format("{} has no schema version: restore it from a copy", db.file()));
  Statement check = TRY(db.prepare("PRAGMA quick_check(1)"));
  bool row = TRY(check.step());
  if (!row || check.text(0) != "ok")
    return data_loss(fmt::format("{} is damaged ({}): restore it from a copy", db.file(),
                                 row ? check.text(0) : "no answer"));
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Journal>> open_sqlite_journal(const std::filesystem::path& file) {
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
  TRY_STATUS(check_schema(db));
  // An empty log to start with: what a torn write left behind never meets new frames.
  TRY_STATUS(db.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  log_info("journal opened", {{"file", file.string()}, {"sqlite", sqlite3_libversion()}});
  auto journal = std::make_unique<SqliteJournal>(std::move(db));
  TRY_STATUS(journal->prepare());
  return std::unique_ptr<Journal>(std::move(journal));
}

}  // namespace rekindle::coordinator
