// Rows of the table `events`, which the journal and its archives share.
//
// Each row carries a checksum over its number and bytes, so that a flipped bit is found and named, never
// replayed.
#pragma once

#include <functional>

#include "coordinator/journal/journal.h"
#include "coordinator/journal/sqlite.h"

namespace rekindle::coordinator {

inline constexpr const char* kCreateEvents = R"sql(
CREATE TABLE events(seq INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, kind TEXT NOT NULL,
                    subject TEXT NOT NULL, actor TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE INDEX events_by_subject ON events(subject, seq);
)sql";

int64_t row_checksum(uint64_t seq, std::string_view body);

class EventInsert {
 public:
  Status prepare(Sqlite& db);
  Status operator()(const v1::Event& event);

 private:
  Statement insert_;
};

// Events `first` to `last`, in order. data_loss names the file and the event that is damaged or missing.
Status read_events(Sqlite& db, uint64_t first, uint64_t last, const std::function<Status(v1::Event)>& take);

// Part of an answer. `next`: where to go on asking; 0: that was all.
struct EventPage {
  std::vector<v1::Event> events;
  uint64_t next = 0;
};

// Events of this file about one subject, from `from_seq`, at most `limit`.
Result<EventPage> events_about(Sqlite& db, const std::string& subject, uint64_t from_seq, uint32_t limit);

}  // namespace rekindle::coordinator
