// Notices acknowledged commits that a damaged write-ahead log would lose.
//
// SQLite takes the first frame with a wrong checksum for the end of the log and goes on without a word: right
// after a torn last write, wrong after a flipped bit in the middle. Every commit is fsynced before the next,
// so at most one commit can be torn: two or more behind the damage were acknowledged.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace rekindle::coordinator {

// `log` is the database's "-wal" file, not open now; absent or empty is fine. data_loss names it.
Status check_write_ahead_log(const std::filesystem::path& log);

}  // namespace rekindle::coordinator
