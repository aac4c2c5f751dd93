#include "coordinator/backup/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "coordinator/backup/blobs.h"
#include "coordinator/backup/manifest.h"
#include "coordinator/backup/pieces.h"
#include "coordinator/backup/target.h"
#include "coordinator/journal/copied.h"

namespace rekindle::coordinator {
namespace {

using boost::asio::awaitable;

constexpr std::chrono::seconds kTellEvery{1};
// Of a database's copy: so much is synced at once.
constexpr int kPiecesOfASync = 16;

// A file that is copied as it is.
struct Plain {
  fs::path from;
  std::string path;    // below the backup
  std::string sha256;  // that it must have; empty: whatever it has
  mode_t mode = 0600;
  uint64_t bytes_most = UINT64_MAX;
};

uint64_t size_of(const fs::path& file) {
  std::error_code none;
  const uintmax_t bytes = fs::file_size(file, none);
  return none ? 0 : bytes;
}

// What the state folder holds beside the databases.
std::vector<Plain> small_files(const fs::path& state) {
  std::vector<Plain> out;
  std::error_code none;
  for (const char* name : {"token", "serving-token", "tokens.json", "pools.yaml"})
    if (fs::exists(state / name, none)) out.push_back({state / name, name});
  for (const auto& entry : fs::directory_iterator(state / "tls", none))
    if (entry.is_regular_file(none)) out.push_back({entry.path(), "tls/" + entry.path().filename().string()});
  // It grows meanwhile; a line that is not whole at its end is cut off by whoever opens it next.
  const fs::path audit = state / "audit.log";
  if (const uint64_t bytes = size_of(audit); bytes > 0) out.push_back({audit, "audit.log", "", 0600, bytes});
  return out;
}

class BackingUp {
 public:
  BackingUp(Context& c, fs::path folder, bool blobs, net::Writer<v1::BackupUpdate>& writer)
      : c_(c), folder_(std::move(folder)), blobs_(blobs), writer_(writer) {}

  awaitable<Status> run();
  awaitable<void> undo();

 private:
  awaitable<Status> copy_journal();
  awaitable<Status> copy_events();
  awaitable<Status> between(fs::path file, int piece, std::string doing);
  awaitable<Status> copy_others();
  awaitable<Status> copy(Plain file);
  awaitable<Result<std::vector<Plain>>> blob_files();
  awaitable<Status> read_back();
  awaitable<Status> tell(std::string doing, uint64_t more);
  awaitable<Status> on_pool(std::function<Status()> work);
  void list(std::string path, uint64_t bytes, std::string sha256);

  Context& c_;
  const fs::path folder_;
  const bool blobs_;
  net::Writer<v1::BackupUpdate>& writer_;
  v1::BackupManifest list_;
  uint64_t bytes_ = 0;
  std::set<fs::path> folders_;  // that were made
  std::chrono::steady_clock::time_point tell_next_{};
};

awaitable<Status> BackingUp::on_pool(std::function<Status()> work) {
  return done_on(c_.pool, std::move(work));
}

// A line now and then. canceled: nobody listens any more, so the backup is not wanted.
awaitable<Status> BackingUp::tell(std::string doing, uint64_t more) {
  if (writer_.closed()) co_return Status(Code::kCanceled, "the backup is not wanted any more");
  const auto now = std::chrono::steady_clock::now();
  if (now < tell_next_) co_return ok_status();
  tell_next_ = now + kTellEvery;
  v1::BackupUpdate update;
  update.set_doing(std::move(doing));
  update.set_bytes(bytes_ + more);
  co_return co_await writer_.write(std::move(update));
}

void BackingUp::list(std::string path, uint64_t bytes, std::string sha256) {
  v1::BackupFile& file = *list_.add_files();
  file.set_path(std::move(path));
  file.set_bytes(bytes);
  file.set_sha256(std::move(sha256));
  bytes_ += bytes;
}

// Between two pieces of a database.
awaitable<Status> BackingUp::between(fs::path file, int piece, std::string doing) {
  if (piece % kPiecesOfASync == 0) {
    std::function<Status()> sync = [file] {
      TRY_STATUS(check_target_room(file.parent_path(), 0));
      return fsync_path(file);
    };
    Status synced = co_await on_pool(std::move(sync));
    if (!synced.ok()) co_return synced;
  }
  co_return co_await tell(std::move(doing), size_of(file));
}

awaitable<Status> BackingUp::copy_journal() {
  co_await c_.core.durable();
  const fs::path to = folder_ / kBackupJournal;
  std::function<Status(Journal&)> begin = [to](Journal& journal) { return journal.begin_copy(to); };
  Status status = co_await c_.core.ask_journal<Status>(std::move(begin));
  for (int piece = 1; status.ok(); ++piece) {
    std::function<Result<bool>(Journal&)> next = [](Journal& journal) { return journal.copy_piece(); };
    const Result<bool> more = co_await c_.core.ask_journal<Result<bool>>(std::move(next));
    if (!more.ok()) co_return more.status();
    if (!*more) break;
    status = co_await between(to, piece, "copying the journal");
  }
  co_return status;
}

awaitable<Status> BackingUp::copy_events() {
  const fs::path to = folder_ / kBackupEvents;
  events::EventStore* events = &c_.events;
  std::function<Status()> begin = [events, to] { return events->begin_copy(to); };
  Status status = co_await done_on(c_.events_worker, std::move(begin));
  for (int piece = 1; status.ok(); ++piece) {
    std::function<Result<bool>()> next = [events] { return events->copy_piece(); };
    const Result<bool> more = co_await done_on(c_.events_worker, std::move(next));
    if (!more.ok()) co_return more.status();
    if (!*more) break;
    status = co_await between(to, piece, "copying the events");
  }
  co_return status;
}

awaitable<Status> BackingUp::copy(Plain file) {
  const fs::path to = folder_ / file.path;
  auto pieces = std::make_shared<std::optional<FilePieces>>();
  std::function<Status()> begin = [file, to, pieces] {
    TRY_STATUS(make_folders_durably(to.parent_path(), 0700));
    TRY_STATUS(check_target_room(to.parent_path(), std::min(size_of(file.from), file.bytes_most)));
    pieces->emplace(TRY(FilePieces::copying(file.from, to, file.mode, file.bytes_most)));
    return ok_status();
  };
  folders_.insert(to.parent_path());
  Status status = co_await on_pool(std::move(begin));
  auto more = std::make_shared<bool>(true);
  const std::string doing = "copying " + file.path;
  while (status.ok() && *more) {
    std::function<Status()> next = [pieces, more] {
      *more = TRY((*pieces)->next());
      return ok_status();
    };
    status = co_await on_pool(std::move(next));
    if (status.ok()) status = co_await tell(doing, (*pieces)->bytes());
  }
  if (!status.ok()) co_return status;
  const std::string sha256 = (*pieces)->sha256();
  if (!file.sha256.empty() && sha256 != file.sha256)
    co_return data_loss(
        fmt::format("{} is damaged: restore it from a copy, then back up", file.from.string()));
  list(file.path, (*pieces)->bytes(), sha256);
  co_return ok_status();
}

awaitable<Result<std::vector<Plain>>> BackingUp::blob_files() {
  artifacts::Store* store = &c_.store;
  auto wanted = std::make_shared<std::vector<NamedBlob>>(blobs_of(c_.core.state()));
  std::function<Result<std::vector<Plain>>()> look = [store, wanted]() -> Result<std::vector<Plain>> {
    const FoundBlobs found = TRY(look_for(*wanted, *store));
    if (!found.missing.empty())
      return data_loss(fmt::format("{} lacks {}, {} in all: a backup without them would not be one",
                                   store->describe(), found.missing[0].what, found.missing.size()));
    std::vector<Plain> out;
    for (const NamedBlob& blob : found.there) {
      const fs::path file = TRY(store->path(blob.sha256, artifacts::Verify::kSize));
      out.push_back({file, fmt::format("artifacts/blobs/{}/{}", blob.sha256.substr(0, 2), blob.sha256),
                     blob.sha256, 0440});
    }
    return out;
  };
  return done_on(c_.pool, std::move(look));
}

// What the copy of the journal names, and what lies beside it.
awaitable<Status> BackingUp::copy_others() {
  const fs::path journal = folder_ / kBackupJournal;
  const fs::path state = c_.folder.path();
  auto files = std::make_shared<std::vector<Plain>>();
  auto seq = std::make_shared<uint64_t>(0);
  std::function<Status()> look = [journal, state, files, seq] {
    const CopiedJournal copied = TRY(look_at_copy(journal));
    *seq = copied.seq;
    for (const Archive& archive : copied.archives)
      files->push_back({state / "archive" / archive.file, "archive/" + archive.file, archive.sha256, 0400});
    for (Plain& file : small_files(state)) files->push_back(std::move(file));
    return ok_status();
  };
  Status status = co_await on_pool(std::move(look));
  if (!status.ok()) co_return status;
  list_.set_journal_seq(*seq);
  if (blobs_) {
    Result<std::vector<Plain>> blobs = co_await blob_files();
    if (!blobs.ok()) co_return blobs.status();
    for (Plain& file : *blobs) files->push_back(std::move(file));
  }
  for (const Plain& file : *files) {
    status = co_await copy(file);
    if (!status.ok()) co_return status;
  }
  const std::set<fs::path> folders = folders_;
  std::function<Status()> sync = [folders] {
    for (const fs::path& folder : folders) TRY_STATUS(fsync_path(folder));
    return ok_status();
  };
  co_return co_await on_pool(std::move(sync));
}

// From the disk: what could not be read is found while there is something to make another of.
awaitable<Status> BackingUp::read_back() {
  std::vector<v1::BackupFile> files(list_.files().begin(), list_.files().end());
  for (const std::string_view database : {kBackupJournal, kBackupEvents})
    files.emplace_back().set_path(std::string(database));
  bytes_ = 0;
  list_.clear_files();
  for (const v1::BackupFile& file : files) {
    const fs::path path = folder_ / file.path();
    auto pieces = std::make_shared<std::optional<FilePieces>>();
    auto more = std::make_shared<bool>(true);
    while (*more) {
      std::function<Status()> next = [path, pieces, more] {
        if (!pieces->has_value()) {
          TRY_STATUS(fsync_path(path));
          pieces->emplace(TRY(FilePieces::reading(path)));
        }
        *more = TRY((*pieces)->next());
        return ok_status();
      };
      Status status = co_await on_pool(std::move(next));
      if (status.ok()) status = co_await tell("reading it back", (*pieces)->bytes());
      if (!status.ok()) co_return status;
    }
    const std::string sha256 = (*pieces)->sha256();
    if (!file.sha256().empty() && sha256 != file.sha256())
      co_return data_loss(fmt::format("{} does not read as it was written: use another disk", path.string()));
    list(file.path(), (*pieces)->bytes(), sha256);
  }
  co_return ok_status();
}

awaitable<Status> BackingUp::run() {
  list_.set_version(std::string(kVersion));
  list_.set_made_us(to_micros(c_.clock.wall()));
  list_.set_state_folder(c_.folder.path().string());
  if (!blobs_) list_.set_artifacts(c_.options.artifacts.string());
  const fs::path state = c_.folder.path(), folder = folder_;
  std::function<Status()> room = [state, folder] {
    uint64_t bytes = size_of(state / kBackupJournal) + size_of(state / kBackupEvents);
    for (const Plain& file : small_files(state)) bytes += std::min(size_of(file.from), file.bytes_most);
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(state / "archive", none)) bytes += size_of(entry.path());
    return check_target_room(folder, bytes);
  };
  Status status = co_await on_pool(std::move(room));
  if (status.ok()) status = co_await copy_journal();
  if (!status.ok()) co_return status;
  crash_point("backup-begun");
  status = co_await copy_events();
  if (status.ok()) status = co_await copy_others();
  if (status.ok()) status = co_await read_back();
  if (!status.ok()) co_return status;
  crash_point("backup-copied");
  const v1::BackupManifest listed = list_;
  std::function<Status()> write = [folder, listed] { return write_backup_list(folder, listed); };
  status = co_await on_pool(std::move(write));
  if (!status.ok()) co_return status;
  crash_point("backup-listed");
  log_info("backed up", {{"folder", folder_.string()},
                         {"seq", list_.journal_seq()},
                         {"files", list_.files_size()},
                         {"bytes", bytes_}});
  v1::BackupUpdate last;
  last.set_bytes(bytes_);
  *last.mutable_manifest() = list_;
  co_return co_await writer_.write(std::move(last));
}

awaitable<void> BackingUp::undo() {
  std::function<Status(Journal&)> of_journal = [](Journal& journal) {
    journal.drop_copy();
    return ok_status();
  };
  co_await c_.core.ask_journal<Status>(std::move(of_journal));
  events::EventStore* events = &c_.events;
  std::function<Status()> of_events = [events] {
    events->drop_copy();
    return ok_status();
  };
  co_await done_on(c_.events_worker, std::move(of_events));
  const fs::path folder = folder_;
  std::function<Status()> remove = [folder] {
    give_up_target(folder);
    return ok_status();
  };
  co_await on_pool(std::move(remove));
}

}  // namespace

awaitable<Status> back_up(Context& c, v1::BackupRequest request, net::Writer<v1::BackupUpdate>& writer) {
  const std::vector<fs::path> own = {c.folder.path(), c.folder.runs(), c.folder.environments(),
                                     c.options.artifacts};
  const std::string given = request.folder();
  std::function<Result<fs::path>()> take = [given, own] { return take_target(given, own); };
  Result<fs::path> folder = co_await done_on(c.pool, std::move(take));
  if (!folder.ok()) co_return folder.status();
  BackingUp work(c, *folder, request.artifacts(), writer);
  Status done = co_await work.run();
  // One that is listed is whole, whether somebody waits to hear of it or not.
  std::error_code none;
  if (!done.ok() && !fs::exists(*folder / kBackupList, none)) {
    log_warning("backup given up", {{"folder", folder->string()}, {"why", done.message()}});
    co_await work.undo();
  }
  co_return done;
}

}  // namespace rekindle::coordinator
