#include "events/database.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/faults/fail_stop.h"
#include "base/files.h"
#include "base/sqlite/online_copy.h"

namespace rekindle::events {

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Result<bool> Query::step() {
  const int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  return db_->error(sqlite3_sql(statement_));
}

Status Query::run() {
  const Result<bool> row = step();
  if (!row.ok()) return row.status();
  CHECK(!*row, "a statement that gives no rows gave one");
  return ok_status();
}

std::string_view Query::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {data == nullptr ? "" : data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file, Keep keep) {
  const std::string network = network_filesystem(file.parent_path());
  if (!network.empty())
    return failed_precondition(fmt::format(
        "{} is on {}: SQLite needs a local disk; choose another state folder", file.string(), network));
  std::unique_ptr<Database> db(new Database(file, keep));
  const int rc = sqlite3_open_v2(file.c_str(), &db->db_,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (rc != SQLITE_OK) return db->error("opening");
  std::error_code ignored;
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                               ignored);
  for (const char* pragma :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA mmap_size=0", "PRAGMA cache_size=-16384", "PRAGMA temp_store=MEMORY"})
    TRY_STATUS(db->exec(pragma));
  if (keep == Keep::kWhileItRuns) TRY_STATUS(db->exec("PRAGMA synchronous=OFF"));
  // The lock is taken by the first write.
  TRY_STATUS(db->exec("BEGIN IMMEDIATE; COMMIT"));
  return db;
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

Status Database::exec(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return ok_status();
  return error(sql);
}

Result<std::unique_ptr<OnlineCopy>> Database::begin_copy(const std::filesystem::path& to) {
  return OnlineCopy::begin(db_, to);
}

Query Database::query(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int rc = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    CHECK(rc == SQLITE_OK, error(sql).message());
  }
  CHECK(!sqlite3_stmt_busy(statement), "a statement used inside its own use");
  return {this, statement};
}

Status Database::error(std::string_view doing) const {
  const int rc = db_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(db_);
  const std::string text = fmt::format("{}: {}: {}", file_.string(), doing.substr(0, 80),
                                       db_ ? sqlite3_errmsg(db_) : "out of memory");
  const int exactly = db_ == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(db_);
  if (exactly == SQLITE_IOERR_FSYNC || exactly == SQLITE_IOERR_DIR_FSYNC) end_unsynced(file_.string(), text);
  switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return failed_precondition(
          fmt::format("{}: another process holds it; stop that one first", file_.string()));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return data_loss(text + "; restore it from a backup, or move it away to start with no events");
    case SQLITE_FULL:
      return resource_exhausted(text + "; free disk space");
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return permission_denied(text);
    default:
      return unavailable(text);
  }
}

Result<Transaction> Transaction::begin(Database& db, Sync sync) {
  if (db.keep() == Keep::kWhileItRuns) sync = Sync::kFull;  // as much as this file ever is
  if (sync == Sync::kWithNext) TRY_STATUS(db.exec("PRAGMA synchronous=NORMAL"));
  if (Status s = db.exec("BEGIN IMMEDIATE"); !s.ok()) {
    if (sync == Sync::kWithNext) (void)db.exec("PRAGMA synchronous=FULL");
    return s;
  }
  return Transaction(db, sync);
}

Transaction::~Transaction() {
  if (db_ == nullptr) return;
  (void)db_->exec("ROLLBACK");
  end();
}

Status Transaction::commit() {
  TRY_STATUS(db_->exec("COMMIT"));
  end();
  return ok_status();
}

void Transaction::end() {
  if (sync_ == Sync::kWithNext) CHECK(db_->exec("PRAGMA synchronous=FULL").ok(), "SQLite refused a pragma");
  db_ = nullptr;
}

}  // namespace rekindle::events
