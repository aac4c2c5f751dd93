#include "coordinator/journal/archives.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"

namespace rekindle::coordinator {

namespace {

// Between two pieces commits get their turn: a piece takes some milliseconds.
constexpr uint64_t kPiece = 1'000;

}  // namespace

Result<std::vector<Archive>> listed_archives(Sqlite& journal) {
  Statement rows =
      TRY(journal.prepare("SELECT first, last, file, sha256, bytes FROM archives ORDER BY first"));
  std::vector<Archive> out;
  while (TRY(rows.step())) {
    Archive one;
    one.first = static_cast<uint64_t>(rows.integer(0));
    one.last = static_cast<uint64_t>(rows.integer(1));
    one.file = rows.text(2);
    one.sha256 = rows.text(3);
    one.bytes = static_cast<uint64_t>(rows.integer(4));
    const uint64_t last = out.empty() ? 0 : out.back().last;
    if (one.first != last + 1 || one.last < one.first)
      return data_loss(
          fmt::format("{}: archives end at event {} and go on at {}: restore the file from a copy",
                      journal.file(), last, one.first));
    out.push_back(std::move(one));
  }
  return out;
}

Status Archives::open() {
  known_ = TRY(listed_archives(journal_));
  for (const Archive& one : known_) {
    std::error_code error;
    if (const uintmax_t bytes = fs::file_size(folder_ / one.file, error); error || bytes != one.bytes)
      log_error("an archive of old events is missing or cut: restore it from a copy",
                {{"file", (folder_ / one.file).string()}, {"first", one.first}, {"last", one.last}});
  }
  return ok_status();
}

// Seen whole once in this process: its bytes are those that were sealed.
Result<Sqlite*> Archives::reader(const Archive& archive) {
  if (open_file_ == archive.file) return &open_;
  const fs::path path = folder_ / archive.file;
  if (!verified_.contains(archive.file)) {
    Result<std::string> sha256 = sha256_hex_of_file(path);
    if (!sha256.ok() || *sha256 != archive.sha256)
      return data_loss(fmt::format("{}, the archive of events {} to {}, is {}: restore it from a copy",
                                   path.string(), archive.first, archive.last,
                                   sha256.ok() ? "damaged" : "missing"));
    verified_.insert(archive.file);
  }
  open_ = TRY(Sqlite::open_sealed(path));
  open_file_ = archive.file;
  return &open_;
}

Result<EventPage> Archives::about(const std::string& subject, uint64_t from_seq, uint32_t limit) {
  auto archive = std::lower_bound(known_.begin(), known_.end(), from_seq,
                                  [](const Archive& one, uint64_t seq) { return one.last < seq; });
  CHECK(archive != known_.end(), "only archived events are asked for here");
  EventPage page = TRY(events_about(*TRY(reader(*archive)), subject, from_seq, limit));
  if (page.next == 0) page.next = archive->last + 1;
  return page;
}

Status Archives::read(uint64_t from_seq, const std::function<Status(v1::Event)>& take) {
  for (const Archive& archive : known_)
    if (archive.last >= from_seq)
      TRY_STATUS(read_events(*TRY(reader(archive)), std::max(from_seq, archive.first), archive.last, take));
  return ok_status();
}

Result<bool> Archives::move(uint64_t movable) {
  if (moved_left_) return remove_moved();
  if (!making_) {
    if (movable < last() + events_each_) return false;
    TRY_STATUS(begin());
  } else if (making_->next <= making_->archive.last) {
    TRY_STATUS(copy());
  } else if (!making_->sealed) {
    TRY_STATUS(seal());
  } else {
    TRY_STATUS(record());
  }
  return true;
}

Status Archives::begin() {
  TRY_STATUS(make_folders_durably(folder_, 0700));
  Making making;
  making.archive.first = making.next = last() + 1;
  making.archive.last = last() + events_each_;
  making.archive.file = fmt::format("events-{:012}-{:012}.db", making.archive.first, making.archive.last);
  making.temp = folder_ / "making.db";
  // What a process that was killed has left.
  std::error_code error;
  fs::remove(making.temp, error);
  making.db = TRY(Sqlite::make_plain(making.temp));
  TRY_STATUS(making.db.execute(kCreateEvents));
  TRY_STATUS(making.insert.prepare(making.db));
  making_ = std::move(making);
  return ok_status();
}

Status Archives::copy() {
  const uint64_t until = std::min(making_->archive.last, making_->next + kPiece - 1);
  TRY_STATUS(making_->db.execute("BEGIN IMMEDIATE"));
  TRY_STATUS(read_events(journal_, making_->next, until,
                         [this](v1::Event event) { return making_->insert(event); }));
  TRY_STATUS(making_->db.execute("COMMIT"));
  making_->next = until + 1;
  return ok_status();
}

Status Archives::seal() {
  making_->insert = EventInsert();
  making_->db = Sqlite();
  Archive& archive = making_->archive;
  if (::chmod(making_->temp.c_str(), 0400) != 0) return errno_status("sealing", making_->temp);
  TRY_STATUS(fsync_path(making_->temp));
  archive.sha256 = TRY(sha256_hex_of_file(making_->temp));
  archive.bytes = fs::file_size(making_->temp);
  const fs::path path = folder_ / archive.file;
  if (::rename(making_->temp.c_str(), path.c_str()) != 0) return errno_status("renaming to", path);
  TRY_STATUS(fsync_path(folder_));
  making_->sealed = true;
  return ok_status();
}

Status Archives::record() {
  const Archive& archive = making_->archive;
  Statement insert = TRY(journal_.prepare("INSERT INTO archives VALUES(?,?,?,?,?)"));
  insert.bind(1, static_cast<int64_t>(archive.first)).bind(2, static_cast<int64_t>(archive.last));
  insert.bind(3, archive.file).bind(4, archive.sha256).bind(5, static_cast<int64_t>(archive.bytes));
  TRY_STATUS(insert.run());
  TRY_STATUS(journal_.checkpoint_when_long());
  log_info("old events archived", {{"file", (folder_ / archive.file).string()},
                                   {"first", archive.first},
                                   {"last", archive.last},
                                   {"bytes", archive.bytes}});
  known_.push_back(archive);
  making_.reset();
  moved_left_ = true;
  return ok_status();
}

Result<bool> Archives::remove_moved() {
  const uint64_t oldest =
      static_cast<uint64_t>(TRY(journal_.integer("SELECT coalesce(min(seq), 0) FROM events")));
  if (oldest == 0 || oldest > last()) {
    moved_left_ = false;
    return true;
  }
  Statement remove = TRY(journal_.prepare("DELETE FROM events WHERE seq <= ?"));
  remove.bind(1, static_cast<int64_t>(std::min(last(), oldest + kPiece - 1)));
  TRY_STATUS(remove.run());
  TRY_STATUS(journal_.checkpoint_when_long());
  return true;
}

}  // namespace rekindle::coordinator
