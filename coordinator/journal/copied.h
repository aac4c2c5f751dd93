// A file that was made by copying a journal: what is in it, without changing it.
#pragma once

#include <filesystem>
#include <vector>

#include "coordinator/journal/archives.h"

namespace rekindle::coordinator {

struct CopiedJournal {
  uint64_t seq = 0;               // of the newest event
  std::vector<Archive> archives;  // that must lie beside it
};

// Reads every page; data_loss names the file when it is damaged.
Result<CopiedJournal> look_at_copy(const std::filesystem::path& file);

}  // namespace rekindle::coordinator
