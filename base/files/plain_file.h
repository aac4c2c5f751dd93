// Reading files that somebody else's program may have put there: a link is not followed, and a pipe or a
// device in a file's place is refused instead of waited for.
#pragma once

#include <sys/types.h>

#include "base/files.h"

namespace rekindle {

// For reading. Neither the file nor the folder that it lies in may be a symbolic link; folders above are
// trusted. not_found when it is not there; data_loss, with what it is, when it is no regular file.
Result<Fd> open_plain_file(const fs::path& path);
// At most `limit_bytes`; larger files are refused, not cut.
Result<std::string> read_plain_file(const fs::path& path, uint64_t limit_bytes = 64ull << 20);
// From `offset` on, at most `bytes_max`; shorter at the end of the file.
Result<std::string> read_plain_file_at(const fs::path& path, uint64_t offset, size_t bytes_max);

// For appending; made with `mode` when absent. The same refusals.
Result<Fd> append_to_plain_file(const fs::path& path, mode_t mode);

}  // namespace rekindle
