// Renaming and removing on storage that several hosts share through a file server. Its answer may be lost,
// and the client asks again: the second time there is nothing left to do, and the call fails although it was
// done.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "base/files.h"

namespace rekindle {

// A file or a folder. Done, too, when it has come to stand at `to` whatever the call said.
Status rename_path(const fs::path& from, const fs::path& to);

// The same below two open folders. `what` is the file as it was before.
Status rename_at(int from_folder, const char* from, int to_folder, const char* to, const struct stat& what);

// A file, or a folder and all that is below; gone already is fine.
void remove_tree(const fs::path& path, std::error_code& error);

}  // namespace rekindle
