// SQLite as this store uses it: one connection, one file, statements prepared once.
// Knows nothing of the tables. Errors name the file and what SQLite said.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace rekindle {
class OnlineCopy;
}

namespace rekindle::events {

class Database;

// One use of a prepared statement: bind, step through the rows, forget. Parameters count from 1,
// columns from 0. Bound text must live until the last step.
class Query {
 public:
  ~Query();
  Query(Query&& other) noexcept : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}
  Query(const Query&) = delete;

  template <typename... T>
  Query& with(const T&... values) {
    int at = 0;
    (bind(++at, values), ...);
    return *this;
  }
  Result<bool> step();  // false: no more rows
  Status run();         // for statements that give no rows

  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string_view bytes(int column) const;  // text or blob, good until the next step

 private:
  friend class Database;
  Query(const Database* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  void bind(int at, int64_t value) { sqlite3_bind_int64(statement_, at, value); }
  void bind(int at, uint64_t value) { sqlite3_bind_int64(statement_, at, static_cast<int64_t>(value)); }
  void bind(int at, std::string_view text) {
    sqlite3_bind_text(statement_, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  void bind(int at, const std::string& text) { bind(at, std::string_view(text)); }
  void bind(int at, const char* text) { bind(at, std::string_view(text)); }
  struct Blob {
    std::string_view bytes;
  };
  void bind(int at, Blob blob) {
    sqlite3_bind_blob(statement_, at, blob.bytes.data(), static_cast<int>(blob.bytes.size()), SQLITE_STATIC);
  }

  const Database* db_;
  sqlite3_stmt* statement_;

 public:
  static Blob blob(std::string_view bytes) { return {bytes}; }
};

// Whether what was committed outlives a power failure.
enum class Keep { kForGood, kWhileItRuns };

class Database {
 public:
  // Makes the file (0600) when it is absent. One process holds it at a time: a second one gets
  // failed_precondition.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file,
                                                Keep keep = Keep::kForGood);
  ~Database();
  Database(const Database&) = delete;

  Status exec(const char* sql);
  Query query(const char* sql);  // a string literal; a mistake in it is a bug of ours
  Status error(std::string_view doing) const;
  // Of this file, to one that is not there yet; must not outlive the database.
  Result<std::unique_ptr<OnlineCopy>> begin_copy(const std::filesystem::path& to);
  Keep keep() const { return keep_; }

 private:
  Database(std::filesystem::path file, Keep keep) : file_(std::move(file)), keep_(keep) {}
  std::filesystem::path file_;
  Keep keep_;
  sqlite3* db_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

// Rolls back unless committed.
class Transaction {
 public:
  enum class Sync {
    kFull,  // fsynced when commit() returns
    // Not fsynced by itself: after a power loss it may be missing together with everything after it,
    // never alone. For what can be computed again from what was committed before.
    kWithNext,
  };
  static Result<Transaction> begin(Database& db, Sync sync = Sync::kFull);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)), sync_(other.sync_) {}
  Status commit();

 private:
  Transaction(Database& db, Sync sync) : db_(&db), sync_(sync) {}
  void end();
  Database* db_;
  Sync sync_;
};

}  // namespace rekindle::events
