// backup.json: the files of a backup with their sizes and hashes. Written last, so a folder without it is no
// backup.
#pragma once

#include "base/files.h"
#include "rekindle/v1/backup.pb.h"

namespace rekindle::coordinator {

inline constexpr std::string_view kBackupList = "backup.json";
inline constexpr std::string_view kBackupJournal = "journal.db";
inline constexpr std::string_view kBackupEvents = "events.db";

// Fills in format and hash. Durable when it returns.
Status write_backup_list(const fs::path& folder, v1::BackupManifest list);
// Refused with what it is: no backup, one that was never finished, damaged, of a newer program.
Result<v1::BackupManifest> read_backup_list(const fs::path& folder);

}  // namespace rekindle::coordinator
