#include "coordinator/backup/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/units.h"
#include "coordinator/disk_room.h"

namespace rekindle::coordinator {
namespace {

bool lies_in(const fs::path& path, const fs::path& folder) {
  const auto [left, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return left == folder.end();
}

}  // namespace

Result<fs::path> take_target(const std::string& given, const std::vector<fs::path>& own) {
  if (!fs::path(given).is_absolute())
    return invalid_argument(
        fmt::format("'{}' is no absolute path of a folder on the coordinator's host", given));
  std::error_code error;
  // With a slash at its end a path has an empty last part.
  fs::path path = fs::weakly_canonical(fs::path(given) / ".", error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (error) return invalid_argument(fmt::format("{}: {}", given, error.message()));
  for (const fs::path& folder : own) {
    const fs::path where = fs::weakly_canonical(folder, error);
    if (error) continue;
    if (lies_in(path, where))
      return failed_precondition(
          fmt::format("{} lies in {}, of which it would be a copy: name a folder elsewhere, on another "
                      "disk if there is one",
                      path.string(), where.string()));
  }
  if (fs::exists(path, error)) {
    if (!fs::is_directory(path, error)) return already_exists(path.string() + " is there and is no folder");
    const bool empty = fs::is_empty(path, error);
    if (error) return permission_denied(fmt::format("{}: {}", path.string(), error.message()));
    if (!empty)
      return already_exists(fmt::format(
          "{} is not empty: name a new folder; one backup never takes another's place", path.string()));
  }
  TRY_STATUS(make_folders_durably(path, 0700));
  fs::permissions(path, fs::perms::owner_all, error);
  if (error) return permission_denied(fmt::format("{}: {}", path.string(), error.message()));
  return path;
}

Status check_target_room(const fs::path& target, uint64_t bytes) {
  std::error_code unknown;
  const fs::space_info space = fs::space(target, unknown);
  if (unknown) return ok_status();  // told by whoever writes there
  const std::array folders = {target};
  if (check_room(folders, bytes).ok()) return ok_status();
  return resource_exhausted(fmt::format("the backup takes {} and the disk that holds {} has {} left",
                                        format_bytes(bytes), target.string(), format_bytes(space.available)));
}

void give_up_target(const fs::path& target) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(target, error)) {
    std::error_code left;
    fs::remove_all(entry.path(), left);
    if (left)
      log_warning("of a backup that failed something is left",
                  {{"path", entry.path().string()}, {"why", left.message()}});
  }
}

}  // namespace rekindle::coordinator
