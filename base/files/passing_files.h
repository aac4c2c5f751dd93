// Files that need not outlive this host's processes: whole for every reader while it is up, but not synced.
// After a power failure each is the old one, the new one, or torn. What must last: base/files.h.
#pragma once

#include "base/files.h"

namespace rekindle {

// Temp file beside the target, write, rename.
Status write_file_atomically(const fs::path& path, std::string_view content, int mode = 0600);
Status make_folders(const fs::path& path, int mode = 0700);

}  // namespace rekindle
