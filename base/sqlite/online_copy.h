// A copy of an open SQLite database, made a piece at a time by the connection that writes it. What is
// committed between two pieces goes into both files, so the copy is of the moment when it ends, and a writer
// waits for one piece at most.
//
// The connection must be the only one of its file and outlive the copy; all of this happens on its thread.
// For the stores, in headers alone: base itself does not link SQLite.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <string>

#include "base/files.h"

namespace rekindle {

class OnlineCopy {
 public:
  // `to` is made (0600) and must not be there. Nothing is synced: that is the caller's.
  static Result<std::unique_ptr<OnlineCopy>> begin(sqlite3* from, const fs::path& to) {
    if (const Fd made(::open(to.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)); !made.valid())
      return errno_status("making", to);
    std::unique_ptr<OnlineCopy> out(new OnlineCopy(to));
    // Without locks: nobody else knows the file, and where it lies there may be none.
    if (sqlite3_open_v2(to.c_str(), &out->db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "unix-none") !=
        SQLITE_OK)
      return out->failure(sqlite3_errcode(out->db_));
    for (const char* pragma : {"PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF"})
      if (const int rc = sqlite3_exec(out->db_, pragma, nullptr, nullptr, nullptr); rc != SQLITE_OK)
        return out->failure(rc);
    out->backup_ = sqlite3_backup_init(out->db_, "main", from, "main");
    if (out->backup_ == nullptr) return out->failure(sqlite3_errcode(out->db_));
    return out;
  }
  ~OnlineCopy() { close(); }
  OnlineCopy(const OnlineCopy&) = delete;

  // True: there is more. After an error, or when nothing is left, the file is closed.
  Result<bool> piece(int pages) {
    const int rc = sqlite3_backup_step(backup_, pages);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) return true;
    if (rc != SQLITE_DONE) {
      Status failed = failure(rc);
      close();
      return failed;
    }
    const int finished = sqlite3_backup_finish(std::exchange(backup_, nullptr));
    if (finished != SQLITE_OK) return failure(finished);
    close();
    return false;
  }

 private:
  explicit OnlineCopy(fs::path to) : to_(std::move(to)) {}
  void close() {
    sqlite3_backup_finish(std::exchange(backup_, nullptr));
    sqlite3_close_v2(std::exchange(db_, nullptr));
  }
  Status failure(int rc) const {
    std::string text = fmt::format("copying to {}: {}", to_.string(), sqlite3_errstr(rc));
    switch (rc & 0xff) {
      case SQLITE_FULL:
        return resource_exhausted(text + "; free disk space there");
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return data_loss(text + ": the database itself is damaged");
      default:
        return unavailable(std::move(text));
    }
  }

  fs::path to_;
  sqlite3* db_ = nullptr;
  sqlite3_backup* backup_ = nullptr;
};

}  // namespace rekindle
