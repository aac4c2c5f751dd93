#include "coordinator/backup/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <set>

#include "base/chained_log.h"
#include "base/faults/crash_point.h"
#include "base/units.h"
#include "coordinator/backup/blobs.h"
#include "coordinator/backup/manifest.h"
#include "coordinator/backup/pieces.h"
#include "coordinator/disk_room.h"
#include "coordinator/journal/sqlite_journal.h"
#include "coordinator/state_folder.h"
#include "core/apply.h"
#include "core/decide/restored.h"

namespace rekindle::coordinator {
namespace {

uint64_t bytes_of(const v1::BackupManifest& list) {
  uint64_t bytes = 0;
  for (const v1::BackupFile& file : list.files()) bytes += file.bytes();
  return bytes;
}

Status check_file(const v1::BackupFile& file, FilePieces& pieces, const fs::path& path) {
  while (TRY(pieces.next())) {
  }
  if (pieces.bytes() != file.bytes() || pieces.sha256() != file.sha256())
    return data_loss(fmt::format(
        "{} is not what was backed up (its size or hash is another): use another backup", path.string()));
  return ok_status();
}

Status check_all(const fs::path& backup, const v1::BackupManifest& list) {
  for (const v1::BackupFile& file : list.files()) {
    const fs::path path = backup / file.path();
    Result<FilePieces> pieces = FilePieces::reading(path);
    if (pieces.status().code() == Code::kNotFound)
      return data_loss(fmt::format("{} is missing: use another backup", path.string()));
    if (!pieces.ok()) return pieces.status();
    TRY_STATUS(check_file(file, *pieces, path));
  }
  return ok_status();
}

// The folder is nobody's yet; what is in it is told by name. A lock is left by whoever looked at it, and
// taken before anything is written.
Status check_free(const fs::path& state) {
  std::error_code error;
  if (!fs::exists(state, error)) return ok_status();
  for (const auto& entry : fs::directory_iterator(state, error))
    if (entry.path().filename() != "lock")
      return failed_precondition(fmt::format(
          "{} is not empty (it holds {}): name another folder; a restore never writes over anything",
          state.string(), entry.path().filename().string()));
  if (error) return permission_denied(fmt::format("{}: {}", state.string(), error.message()));
  return ok_status();
}

mode_t mode_of(std::string_view path) {
  if (path.starts_with("archive/")) return 0400;
  return path.starts_with("artifacts/") ? 0440 : 0600;
}

Status copy_all(const fs::path& backup, const fs::path& state, const v1::BackupManifest& list) {
  std::set<fs::path> folders;
  for (const v1::BackupFile& file : list.files()) {
    const fs::path to = state / file.path();
    TRY_STATUS(make_folders_durably(to.parent_path(), 0700));
    folders.insert(to.parent_path());
    FilePieces pieces = TRY(FilePieces::copying(backup / file.path(), to, mode_of(file.path())));
    TRY_STATUS(check_file(file, pieces, backup / file.path()));
  }
  for (const fs::path& folder : folders) TRY_STATUS(fsync_path(folder));
  return ok_status();
}

Result<core::State> state_of(Journal& journal) {
  Loaded loaded = TRY(journal.load());
  core::State state = loaded.snapshot ? core::from_snapshot(*loaded.snapshot) : core::State();
  for (const v1::Event& event : loaded.events) core::apply(state, event);
  return state;
}

// The journal as it was backed up, and that it goes on from there.
Result<core::State> go_on(const fs::path& state_folder, const v1::BackupManifest& list, const Clock& clock) {
  auto journal = TRY(open_sqlite_journal(state_folder / kBackupJournal));
  core::State state = TRY(state_of(*journal));
  if (state.seq != list.journal_seq())
    return data_loss(fmt::format("{} ends at event {}, the backup at {}",
                                 (state_folder / kBackupJournal).string(), state.seq, list.journal_seq()));
  v1::Restored told;
  told.set_made_us(list.made_us());
  told.set_made_of(list.state_folder());
  const v1::Event event = core::restored_event(state, std::move(told), clock.wall());
  TRY_STATUS(journal->append({&event, 1}));
  core::apply(state, event);
  return state;
}

Status note_in_audit(const fs::path& log, const fs::path& backup, const v1::BackupManifest& list,
                     const Clock& clock) {
  ChainedLog audit = TRY(ChainedLog::open(log));
  const boost::json::object line{
      {"time", format_time(clock.wall())},
      {"who", "rekindled"},
      {"method", "restore"},
      {"about", fmt::format("backup={} made={} of={}", backup.string(),
                            format_time(time_from_micros(list.made_us())), list.state_folder())}};
  TRY_STATUS(audit.append(boost::json::serialize(line)));
  return audit.sync();
}

Result<std::vector<std::string>> missing_blobs(const core::State& state, const fs::path& root) {
  const std::vector<NamedBlob> wanted = blobs_of(state);
  std::vector<NamedBlob> missing = wanted;
  std::error_code none;
  // Opening one would make it.
  if (fs::is_directory(root / "blobs", none)) {
    const auto store = TRY(artifacts::open_folder_store(root));
    missing = TRY(look_for(wanted, *store)).missing;
  }
  std::vector<std::string> out;
  for (const NamedBlob& blob : missing) out.push_back(fmt::format("{} ({})", blob.what, blob.sha256));
  return out;
}

}  // namespace

Result<RestoreReport> restore(const RestoreOptions& options, const Clock& clock,
                              const std::function<void(const std::string&)>& tell) {
  std::error_code error;
  const fs::path backup = fs::canonical(options.backup, error);
  if (error) return not_found(fmt::format("{}: {}", options.backup.string(), error.message()));
  RestoreReport out;
  out.backup = TRY(read_backup_list(backup));
  TRY_STATUS(check_free(options.state));
  tell(fmt::format("checking {} files, {}", out.backup.files_size(), format_bytes(bytes_of(out.backup))));
  TRY_STATUS(check_all(backup, out.backup));

  const StateFolder folder = TRY(StateFolder::open(options.state));
  const fs::path state = folder.path();
  TRY_STATUS(check_free(state));  // nobody can come any more
  const std::array disks = {state};
  TRY_STATUS(check_room(disks, bytes_of(out.backup)));
  TRY_STATUS(write_file_durably(folder.restoring(), backup.string() + "\n"));
  crash_point("restore-begun");
  tell(fmt::format("copying to {}", state.string()));
  TRY_STATUS(copy_all(backup, state, out.backup));
  crash_point("restore-copied");
  const core::State restored = TRY(go_on(state, out.backup, clock));
  TRY_STATUS(note_in_audit(folder.audit(), backup, out.backup, clock));
  crash_point("restore-recorded");

  const bool brought = out.backup.artifacts().empty();
  out.artifacts = !options.artifacts.empty() ? fs::absolute(options.artifacts)
                  : brought                  ? state / "artifacts"
                                             : fs::path(out.backup.artifacts());
  out.missing = TRY(missing_blobs(restored, out.artifacts));
  for (const RunId& id : core::active_runs(restored)) out.on_their_way.push_back(id.value);
  if (!fs::remove(folder.restoring(), error) || error)
    return internal_error(fmt::format("{}: {}", folder.restoring().string(), error.message()));
  TRY_STATUS(fsync_path(state));
  crash_point("restore-ended");
  return out;
}

}  // namespace rekindle::coordinator
