// A SQLite connection and its statements, with errors as Status that name the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

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

  // WAL, synchronous=FULL, no mmap, exclusive: this connection is the only one.
  static Result<Sqlite> open(const std::filesystem::path& path);

  Status execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  Result<int64_t> integer(std::string_view sql);  // the first column of the first row
  const std::string& file() const { return file_; }

 private:
  sqlite3* db_ = nullptr;
  std::string file_;
};

}  // namespace rekindle::coordinator
