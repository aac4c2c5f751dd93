#include "coordinator/backup/manifest.h"

#include <fmt/format.h>

#include <set>

#include "artifacts/manifest.h"
#include "base/files/plain_file.h"
#include "base/hash.h"
#include "proto/json.h"

namespace rekindle::coordinator {
namespace {

constexpr uint32_t kFormat = 1;
constexpr uint64_t kListBytesMax = 256ull << 20;

std::string hash_of(v1::BackupManifest list) {
  list.clear_sha256();
  return sha256_hex(list.SerializeAsString());
}

// Names are made into paths: what this program would not have written is not followed.
Status check_form(const v1::BackupManifest& list) {
  std::set<std::string_view> paths;
  for (const v1::BackupFile& file : list.files())
    if (!artifacts::valid_file_name(file.path()) || file.path() == kBackupList ||
        !is_sha256_hex(file.sha256()) || !paths.insert(file.path()).second)
      return data_loss(fmt::format("it lists a file '{}' as no backup does", file.path()));
  if (!paths.contains(kBackupJournal)) return data_loss("it lists no journal");
  return ok_status();
}

}  // namespace

Status write_backup_list(const fs::path& folder, v1::BackupManifest list) {
  list.set_format(kFormat);
  list.set_sha256(hash_of(list));
  return write_file_durably(folder / kBackupList, TRY(to_json(list, JsonForm::kFile)), 0600);
}

Result<v1::BackupManifest> read_backup_list(const fs::path& folder) {
  const fs::path path = folder / kBackupList;
  const Result<std::string> json = read_plain_file(path, kListBytesMax);
  if (json.status().code() == Code::kNotFound)
    return failed_precondition(fmt::format("{} holds no {}: it is no backup, or one that was never finished",
                                           folder.string(), kBackupList));
  if (!json.ok()) return json.status();
  v1::BackupManifest list;
  // A newer format is refused by its number.
  if (const Status parsed = from_json(*json, &list, UnknownFields::kIgnored); !parsed.ok())
    return data_loss(fmt::format("{} is damaged ({}): take another backup", path.string(), parsed.message()));
  if (list.format() > kFormat)
    return failed_precondition(
        fmt::format("{} was written by rekindled {} in format {}, this program knows {}: use that version",
                    path.string(), list.version(), list.format(), kFormat));
  if (list.sha256() != hash_of(list))
    return data_loss(fmt::format("{} is damaged: take another backup", path.string()));
  TRY_STATUS(check_form(list).within(path.string()));
  return list;
}

}  // namespace rekindle::coordinator
