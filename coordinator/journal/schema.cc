#include "coordinator/journal/schema.h"

#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/journal/event_rows.h"

namespace rekindle::coordinator {

namespace {

constexpr int64_t kSchema = 2;
constexpr int64_t kApplication = 0x524b4a4c;  // "RKJL"

constexpr const char* kCreate = R"sql(
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
)sql";

// What each schema added to the one before; the last makes kSchema.
constexpr const char* kCreateArchives =
    "CREATE TABLE archives(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, file TEXT NOT NULL, "
    "sha256 TEXT NOT NULL, bytes INTEGER NOT NULL)";

// In one transaction: a file is of the one schema or of the other, whenever the process stops.
Status change(Sqlite& db, std::initializer_list<const char*> steps) {
  TRY_STATUS(db.execute("BEGIN IMMEDIATE"));
  for (const char* step : steps) TRY_STATUS(db.execute(step));
  TRY_STATUS(db.execute(fmt::format("PRAGMA user_version={}", kSchema).c_str()));
  return db.execute("COMMIT");
}

Status migrate(Sqlite& db, int64_t schema) {
  log_info("journal is brought to a newer schema", {{"file", db.file()}, {"from", schema}, {"to", kSchema}});
  return change(db, {kCreateArchives});
}

}  // namespace

Status check_whole(Sqlite& db) {
  Statement check = TRY(db.prepare("PRAGMA quick_check(1)"));
  bool row = TRY(check.step());
  if (!row || check.text(0) != "ok")
    return data_loss(fmt::format("{} is damaged ({}): restore it from a copy", db.file(),
                                 row ? check.text(0) : "no answer"));
  return ok_status();
}

Status bring_up_to_date(Sqlite& db) {
  int64_t tables = TRY(db.integer("SELECT count(*) FROM sqlite_schema"));
  int64_t application = TRY(db.integer("PRAGMA application_id"));
  if (tables == 0 && application == 0) return change(db, {kCreateEvents, kCreate, kCreateArchives});
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
  TRY_STATUS(check_whole(db));
  return schema < kSchema ? migrate(db, schema) : ok_status();
}

}  // namespace rekindle::coordinator
