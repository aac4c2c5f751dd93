// journal.db: the journal in one SQLite file on a local disk, with old events in sealed archives beside it.
//
// Every event and snapshot carries a checksum over its number and bytes, so that a flipped bit is found
// and named, never replayed. Refused when opened: a network filesystem, a newer schema, a damaged file,
// a file of something else.
#pragma once

#include <filesystem>
#include <memory>

#include "coordinator/journal/journal.h"

namespace rekindle::coordinator {

struct SqliteJournalOptions {
  // An archive holds this many events. The journal itself then holds about twice as many, beside those since
  // the older of its two snapshots: few enough to be checked whole at each start.
  uint64_t archive_events = 25'000;
};

// Archives lie in `archive/` beside the file.
Result<std::unique_ptr<Journal>> open_sqlite_journal(const std::filesystem::path& file,
                                                     const SqliteJournalOptions& options = {});

}  // namespace rekindle::coordinator
