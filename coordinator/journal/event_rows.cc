#include "coordinator/journal/event_rows.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace rekindle::coordinator {

namespace {

Result<v1::Event> parse(const Sqlite& db, uint64_t seq, const std::string& body, int64_t stored) {
  v1::Event event;
  if (row_checksum(seq, body) != stored || !event.ParseFromString(body) || event.seq() != seq)
    return data_loss(fmt::format("{}: event {} is damaged: restore the file from a copy", db.file(), seq));
  return event;
}

}  // namespace

int64_t row_checksum(uint64_t seq, std::string_view body) {
  return static_cast<int64_t>(stable_hash(body, seq));
}

Status EventInsert::prepare(Sqlite& db) {
  insert_ = TRY(db.prepare("INSERT INTO events VALUES(?,?,?,?,?,?,?)"));
  return ok_status();
}

Status EventInsert::operator()(const v1::Event& event) {
  const std::string body = event.SerializeAsString();
  insert_.bind(1, static_cast<int64_t>(event.seq())).bind(2, event.time_us());
  insert_.bind(3, kind_of(event)).bind(4, subject_of(event)).bind(5, event.actor());
  insert_.bind_blob(6, body).bind(7, row_checksum(event.seq(), body));
  return insert_.run();
}

Status read_events(Sqlite& db, uint64_t first, uint64_t last, const std::function<Status(v1::Event)>& take) {
  Statement rows =
      TRY(db.prepare("SELECT seq, body, checksum FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq"));
  rows.bind(1, static_cast<int64_t>(first)).bind(2, static_cast<int64_t>(last));
  uint64_t next = first;
  while (TRY(rows.step())) {
    const uint64_t seq = static_cast<uint64_t>(rows.integer(0));
    if (seq != next) break;
    TRY_STATUS(take(TRY(parse(db, seq, rows.text(1), rows.integer(2)))));
    ++next;
  }
  if (next <= last)
    return data_loss(fmt::format("{}: event {} is missing: restore the file from a copy", db.file(), next));
  return ok_status();
}

Result<EventPage> events_about(Sqlite& db, const std::string& subject, uint64_t from_seq, uint32_t limit) {
  Statement rows = TRY(db.prepare(
      "SELECT seq, body, checksum FROM events WHERE subject = ? AND seq >= ? ORDER BY seq LIMIT ?"));
  rows.bind(1, subject).bind(2, static_cast<int64_t>(from_seq)).bind(3, int64_t{limit} + 1);
  EventPage out;
  while (TRY(rows.step())) {
    const uint64_t seq = static_cast<uint64_t>(rows.integer(0));
    if (out.events.size() == limit) {
      out.next = seq;
      break;
    }
    out.events.push_back(TRY(parse(db, seq, rows.text(1), rows.integer(2))));
  }
  return out;
}

}  // namespace rekindle::coordinator
