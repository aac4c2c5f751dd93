#include "coordinator/disk_room.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/log.h"
#include "base/units.h"

namespace rekindle::coordinator {
namespace {

// A checkpoint and a version of a small model, the log of a run; on a small disk a twentieth of it.
constexpr uint64_t kRoomLeast = 64ull << 20;
constexpr uint64_t kRoomShare = 20;
// Thousands of decisions.
constexpr uint64_t kReserveBytes = 4ull << 20;
// Less is none: what is decided within a second must find room.
constexpr uint64_t kFull = 1ull << 20;

}  // namespace

Status check_room(std::span<const fs::path> folders, uint64_t coming) {
  for (const fs::path& folder : folders) {
    std::error_code unknown;
    const fs::space_info space = fs::space(folder, unknown);
    if (unknown) continue;  // what is wrong there is told by whoever writes there
    const uint64_t least = std::min<uint64_t>(kRoomLeast, space.capacity / kRoomShare);
    if (space.available < least + coming)
      return resource_exhausted(
          fmt::format("the disk that holds {} has {} left, and {} are kept for what is under way: free some "
                      "space; what was accepted goes on then by itself",
                      folder.string(), format_bytes(space.available), format_bytes(least)));
  }
  return ok_status();
}

void tend_reserve(const fs::path& reserve) {
  std::error_code unknown;
  const fs::space_info space = fs::space(reserve.parent_path(), unknown);
  if (unknown) return;
  const bool held = fs::exists(reserve, unknown);
  if (held && space.available < kFull) {
    log_error("the disk of the state folder is full: its reserve is given up", {{"file", reserve.string()}});
    ::unlink(reserve.c_str());
  } else if (!held && space.available >= std::min<uint64_t>(kRoomLeast, space.capacity / kRoomShare)) {
    const Fd fd(::open(reserve.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (fd.valid() && ::posix_fallocate(fd.get(), 0, kReserveBytes) != 0) ::unlink(reserve.c_str());
  }
}

}  // namespace rekindle::coordinator
