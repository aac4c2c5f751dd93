#include "coordinator/journal/copied.h"

#include <algorithm>

#include "coordinator/journal/schema.h"

namespace rekindle::coordinator {

Result<CopiedJournal> look_at_copy(const std::filesystem::path& file) {
  Sqlite db = TRY(Sqlite::open_sealed(file));
  TRY_STATUS(check_whole(db));
  CopiedJournal out;
  out.archives = TRY(listed_archives(db));
  out.seq = static_cast<uint64_t>(TRY(db.integer("SELECT coalesce(max(seq), 0) FROM events")));
  if (!out.archives.empty()) out.seq = std::max(out.seq, out.archives.back().last);
  return out;
}

}  // namespace rekindle::coordinator
