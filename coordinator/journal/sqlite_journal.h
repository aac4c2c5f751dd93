// journal.db: the journal in one SQLite file on a local disk.
//
// Every event and snapshot carries a checksum over its number and bytes, so that a flipped bit is found
// and named, never replayed. Refused when opened: a network filesystem, a newer schema, a damaged file,
// a file of something else.
#pragma once

#include <filesystem>
#include <memory>

#include "coordinator/journal/journal.h"

namespace rekindle::coordinator {

Result<std::unique_ptr<Journal>> open_sqlite_journal(const std::filesystem::path& file);

}  // namespace rekindle::coordinator
