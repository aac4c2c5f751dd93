// A SQLite connection and its statements, with errors as Status that name the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {
class OnlineCopy;
}
struct sqlite3;
struct sqlite3_stmt;

namespace rekindle::coordinator {

class Statement {
 public:
  Statement() = default;
  Statement(sqlite3* db, sqlite3_stmt* stmt, std::string file)
      : db_(db), stmt_(stmt), file_(std::move(file)) {}
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters are numbered from 1.
  Statement& bind(int index, int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);

  Result<bool> step();  // true: a row is there
  Status run();         // to the end, then ready to be bound again

  int64_t integer(int column) const;
  std::string text(int column) const;  // also blobs
  void reset();

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* stmt_ = nullptr;
  std::string file_;
};

class Sqlite {
 public:
  Sqlite() = default;
  Sqlite(Sqlite&& other) noexcept;
  Sqlite& operator=(Sqlite&& other) noexcept;
  ~Sqlite();

  // WAL, synchronous=FULL, no mmap, exclusive: this connection is the only one. The log is moved into the
  // file by checkpoint() alone: SQLite's own way of doing it passes over a failed fsync.
  static Result<Sqlite> open(const std::filesystem::path& path);
  // One file with nothing beside it, fsynced by each commit. Worth nothing after a transaction that failed.
  static Result<Sqlite> make_plain(const std::filesystem::path& path);
  // One that nobody writes any more: no locks, nothing beside it.
  static Result<Sqlite> open_sealed(const std::filesystem::path& path);

  Status execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  Result<int64_t> integer(std::string_view sql);  // the first column of the first row
  // Moves the log into the file once it has grown long; to be asked after each commit.
  Status checkpoint_when_long();
  // Of this file, to one that is not there yet; must not outlive the connection.
  Result<std::unique_ptr<OnlineCopy>> begin_copy(const std::filesystem::path& to);
  const std::string& file() const { return file_; }

 private:
  static Result<Sqlite> connect(const std::string& name, std::string file, int flags);
  sqlite3* db_ = nullptr;
  std::string file_;
  std::unique_ptr<int> log_pages_ = std::make_unique<int>(0);  // where the connection keeps it
};

}  // namespace rekindle::coordinator
