// A state folder made of a backup, while no daemon has it. Every file is read and its hash compared before
// the first is written; a folder that is not finished holds `restoring` and is refused by the daemon.
//
// What was decided after the backup is not in it, so its journal goes on with an event that passes over
// numbers which may have been given since (core/decide/restored.h). Runs that were on their way are found as
// after a crash: where their folders are gone, by another attempt.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "rekindle/v1/backup.pb.h"

namespace rekindle::coordinator {

struct RestoreOptions {
  fs::path backup;
  fs::path state;      // absent or empty
  fs::path artifacts;  // where blobs are looked for; empty: where the backup says
};

struct RestoreReport {
  v1::BackupManifest backup;
  fs::path artifacts;                     // that were looked through
  std::vector<std::string> missing;       // blobs that the state needs and nobody has, for people
  std::vector<std::string> on_their_way;  // runs that were not over
};

// A failure leaves the state folder as it was, or one that is refused; `tell` hears how far it is.
Result<RestoreReport> restore(const RestoreOptions& options, const Clock& clock,
                              const std::function<void(const std::string&)>& tell);

}  // namespace rekindle::coordinator
