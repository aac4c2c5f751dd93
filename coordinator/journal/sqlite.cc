#include "coordinator/journal/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "base/sqlite/online_copy.h"

namespace rekindle::coordinator {

namespace {

constexpr int kLogPagesMost = 1'000;  // 4 MB

Status failure(sqlite3* db, int rc, const std::string& file, std::string_view doing) {
  std::string why = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return data_loss(fmt::format("{} is damaged ({}): restore it from a copy", file, why));
    case SQLITE_FULL:
      return resource_exhausted(fmt::format("{}: {}: the disk is full; free some space", file, doing));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return failed_precondition(fmt::format("{} is open in another process", file));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return permission_denied(fmt::format("{}: {}: {}", file, doing, why));
    default:
      return unavailable(fmt::format("{}: {}: {}", file, doing, why));
  }
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), stmt_(std::exchange(other.stmt_, nullptr)), file_(std::move(other.file_)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(stmt_, other.stmt_);
  std::swap(file_, other.file_);
  return *this;
}

Statement::~Statement() {
  sqlite3_finalize(stmt_);
}

Statement& Statement::bind(int index, int64_t value) {
  CHECK(sqlite3_bind_int64(stmt_, index, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  CHECK(sqlite3_bind_text64(stmt_, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) ==
        SQLITE_OK);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  CHECK(sqlite3_bind_blob64(stmt_, index, bytes.data(), bytes.size(), SQLITE_TRANSIENT) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  int rc = sqlite3_step(stmt_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  Status status = failure(db_, rc, file_, "query");
  sqlite3_reset(stmt_);
  return status;
}

Status Statement::run() {
  while (TRY(step())) {
  }
  reset();
  return ok_status();
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(stmt_, column);
}

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(stmt_, column);
  if (bytes == nullptr) return "";
  return std::string(static_cast<const char*>(bytes),
                     static_cast<size_t>(sqlite3_column_bytes(stmt_, column)));
}

void Statement::reset() {
  sqlite3_reset(stmt_);
  sqlite3_clear_bindings(stmt_);
}

Sqlite::Sqlite(Sqlite&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)),
      file_(std::move(other.file_)),
      log_pages_(std::move(other.log_pages_)) {}

Sqlite& Sqlite::operator=(Sqlite&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(file_, other.file_);
  std::swap(log_pages_, other.log_pages_);
  return *this;
}

Sqlite::~Sqlite() {
  sqlite3_close_v2(db_);
}

Result<Sqlite> Sqlite::connect(const std::string& name, std::string file, int flags) {
  Sqlite out;
  out.file_ = std::move(file);
  int rc = sqlite3_open_v2(name.c_str(), &out.db_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (rc != SQLITE_OK) return failure(out.db_, rc, out.file_, "open");
  sqlite3_extended_result_codes(out.db_, 1);
  return out;
}

Result<Sqlite> Sqlite::open(const std::filesystem::path& path) {
  Sqlite out = TRY(connect(path.string(), path.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  // Exclusive before the first access: the WAL index then lives in memory, not in a shared file.
  TRY_STATUS(out.execute("PRAGMA locking_mode=EXCLUSIVE"));
  TRY_STATUS(out.execute("PRAGMA mmap_size=0"));
  TRY_STATUS(out.execute("PRAGMA journal_mode=WAL"));
  TRY_STATUS(out.execute("PRAGMA synchronous=FULL"));
  // In the place of the hook that would checkpoint by itself.
  sqlite3_wal_hook(
      out.db_,
      [](void* pages, sqlite3*, const char*, int now) {
        *static_cast<int*>(pages) = now;
        return SQLITE_OK;
      },
      out.log_pages_.get());
  return out;
}

Result<Sqlite> Sqlite::make_plain(const std::filesystem::path& path) {
  Sqlite out = TRY(connect(path.string(), path.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  TRY_STATUS(out.execute("PRAGMA journal_mode=OFF"));
  TRY_STATUS(out.execute("PRAGMA synchronous=FULL"));
  return out;
}

Result<Sqlite> Sqlite::open_sealed(const std::filesystem::path& path) {
  std::string name = "file:";
  for (char c : path.string()) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-._~").find(c) != std::string_view::npos;
    name += plain ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return connect(name + "?immutable=1", path.string(), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

Status Sqlite::checkpoint_when_long() {
  if (*log_pages_ < kLogPagesMost) return ok_status();
  int rc = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (rc != SQLITE_OK) return failure(db_, rc, file_, "checkpoint");
  *log_pages_ = 0;
  return ok_status();
}

Result<std::unique_ptr<OnlineCopy>> Sqlite::begin_copy(const std::filesystem::path& to) {
  return OnlineCopy::begin(db_, to);
}

Status Sqlite::execute(const char* sql) {
  int rc = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return rc == SQLITE_OK ? ok_status() : failure(db_, rc, file_, sql);
}

Result<Statement> Sqlite::prepare(std::string_view sql) {
  sqlite3_stmt* stmt = nullptr;
  int rc = sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &stmt, nullptr);
  if (rc != SQLITE_OK) return failure(db_, rc, file_, sql);
  return Statement(db_, stmt, file_);
}

Result<int64_t> Sqlite::integer(std::string_view sql) {
  Statement statement = TRY(prepare(sql));
  bool row = TRY(statement.step());
  return row ? statement.integer(0) : 0;
}

}  // namespace rekindle::coordinator
