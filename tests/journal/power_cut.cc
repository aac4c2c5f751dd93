#include "tests/journal/power_cut.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"

namespace rekindle::coordinator {

namespace {

constexpr int64_t kSector = 512;

struct Handle {
  sqlite3_file base;
  PowerCut* disk;
  PowerCut::File* file;
};

Handle* of(sqlite3_file* file) {
  return reinterpret_cast<Handle*>(file);
}

int close_file(sqlite3_file* file) {
  of(file)->disk->close(of(file)->file);
  return SQLITE_OK;
}

int read_file_at(sqlite3_file* file, void* out, int size, sqlite3_int64 at) {
  const std::string& seen = of(file)->file->seen;
  std::memset(out, 0, static_cast<size_t>(size));
  if (at >= static_cast<int64_t>(seen.size())) return SQLITE_IOERR_SHORT_READ;
  const size_t there = std::min(static_cast<size_t>(size), seen.size() - static_cast<size_t>(at));
  std::memcpy(out, seen.data() + at, there);
  return there == static_cast<size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write_file_at(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
  PowerCut::File& f = *of(file)->file;
  if (of(file)->disk->cut()) return SQLITE_IOERR_WRITE;
  const size_t end = static_cast<size_t>(at) + static_cast<size_t>(size);
  if (f.seen.size() < end) f.seen.resize(end);
  std::memcpy(f.seen.data() + at, bytes, static_cast<size_t>(size));
  f.unsynced.push_back({at, std::string(static_cast<const char*>(bytes), static_cast<size_t>(size)), false});
  return of(file)->disk->step() ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  PowerCut::File& f = *of(file)->file;
  if (of(file)->disk->cut()) return SQLITE_IOERR_TRUNCATE;
  f.seen.resize(static_cast<size_t>(size));
  f.unsynced.push_back({size, "", true});
  return of(file)->disk->step() ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync_file(sqlite3_file* file, int) {
  return of(file)->disk->sync(*of(file)->file) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(of(file)->file->seen.size());
  return SQLITE_OK;
}

int no_lock(sqlite3_file*, int) {
  return SQLITE_OK;
}
int nobody_locks(sqlite3_file*, int* out) {
  *out = 0;
  return SQLITE_OK;
}
int no_control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
  return kSector;
}
// As SQLite takes every disk to be.
int characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods kMethods = {1,          close_file,   read_file_at,    write_file_at, truncate_file,
                                     sync_file,  size_of_file, no_lock,         no_lock,       nobody_locks,
                                     no_control, sector_size,  characteristics, nullptr,       nullptr,
                                     nullptr,    nullptr,      nullptr,         nullptr};

PowerCut* disk_of(sqlite3_vfs* vfs) {
  return static_cast<PowerCut*>(vfs->pAppData);
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* out, int flags, int* out_flags) {
  Handle* handle = of(out);
  handle->base.pMethods = nullptr;
  handle->disk = disk_of(vfs);
  handle->file = handle->disk->open(name == nullptr ? "" : name, (flags & SQLITE_OPEN_CREATE) != 0);
  if (handle->file == nullptr) return SQLITE_CANTOPEN;
  handle->base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int) {
  return disk_of(vfs)->remove(name) ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

int access_file(sqlite3_vfs* vfs, const char* name, int, int* out) {
  *out = disk_of(vfs)->exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  sqlite3_vfs* below = disk_of(vfs)->below();
  return below->xFullPathname(below, name, size, out);
}
int randomness(sqlite3_vfs* vfs, int size, char* out) {
  sqlite3_vfs* below = disk_of(vfs)->below();
  return below->xRandomness(below, size, out);
}
int sleep_for(sqlite3_vfs*, int) {
  return 0;
}
int time_now(sqlite3_vfs* vfs, double* out) {
  sqlite3_vfs* below = disk_of(vfs)->below();
  return below->xCurrentTime(below, out);
}
int last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

// Into the real file; only the sectors that `lives` answers for.
template <typename Lives>
void put(const PowerCut::File& file, const PowerCut::Write& write, Lives lives) {
  Fd fd(::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  CHECK(fd.valid(), file.path);
  if (write.truncates) {
    CHECK(ftruncate(fd.get(), write.at) == 0);
    return;
  }
  const int64_t end = write.at + static_cast<int64_t>(write.bytes.size());
  for (int64_t at = write.at; at < end;) {
    const int64_t next = std::min(end, (at / kSector + 1) * kSector);
    if (lives())
      CHECK(pwrite(fd.get(), write.bytes.data() + (at - write.at), static_cast<size_t>(next - at), at) ==
            next - at);
    at = next;
  }
}

}  // namespace

PowerCut::PowerCut() : below_(sqlite3_vfs_find(nullptr)) {
  vfs_.iVersion = 1;
  vfs_.szOsFile = sizeof(Handle);
  vfs_.mxPathname = below_->mxPathname;
  vfs_.zName = "power-cut";
  vfs_.pAppData = this;
  vfs_.xOpen = open_file;
  vfs_.xDelete = delete_file;
  vfs_.xAccess = access_file;
  vfs_.xFullPathname = full_path;
  vfs_.xRandomness = randomness;
  vfs_.xSleep = sleep_for;
  vfs_.xCurrentTime = time_now;
  vfs_.xGetLastError = last_error;
  CHECK(sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
}

PowerCut::~PowerCut() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(below_, 1);
}

PowerCut::File* PowerCut::open(const std::string& path, bool create) {
  if (path.empty()) {  // a temporary one: nobody looks for it afterwards
    auto* file = new File;
    file->open = 1;
    return file;
  }
  auto known = files_.find(path);
  if (known == files_.end()) {
    const bool there = fs::exists(path);
    if (!there && (!create || cut_)) return nullptr;
    auto file = std::make_unique<File>();
    file->path = path;
    file->on_disk = there;
    if (there) file->seen = read_file(path).value();
    known = files_.emplace(path, std::move(file)).first;
  }
  ++known->second->open;
  return known->second.get();
}

void PowerCut::close(File* file) {
  --file->open;
  if (file->path.empty())
    delete file;
  else if (file->open == 0 && file->unsynced.empty() && file->on_disk)
    files_.erase(file->path);
}

bool PowerCut::step() {
  if (cut_) return false;
  if (steps_left_ && *steps_left_ > 0 && --*steps_left_ == 0) cut_ = true;
  return !cut_;
}

bool PowerCut::sync(File& file) {
  if (!step()) return false;
  if (file.path.empty()) return true;
  if (syncs_until_failure_ > 0 && --syncs_until_failure_ == 0) {
    file.unsynced.clear();
    sync_failed_ = true;
    return false;
  }
  for (const Write& write : file.unsynced) put(file, write, [] { return true; });
  file.unsynced.clear();
  file.on_disk = true;
  return true;
}

bool PowerCut::exists(const std::string& path) const {
  return files_.contains(path) || fs::exists(path);
}

bool PowerCut::remove(const std::string& path) {
  if (!step()) return false;
  files_.erase(path);
  fs::remove(path);
  return true;
}

void PowerCut::cut_and_restore(uint64_t seed) {
  std::mt19937_64 random(seed);
  for (auto& [path, file] : files_) {
    CHECK(file->open == 0, path);
    lose(*file, random);
  }
  files_.clear();
  steps_left_.reset();
  syncs_until_failure_ = 0;
  cut_ = sync_failed_ = false;
}

// Nothing of it, a beginning, any part of it, or all.
void PowerCut::lose(File& file, std::mt19937_64& random) {
  const auto coin = [&random] { return random() % 2 == 0; };
  const uint64_t how = random() % 4;
  const size_t beginning = file.unsynced.empty() ? 0 : random() % (file.unsynced.size() + 1);
  if (!file.on_disk && how == 0) return;
  for (size_t i = 0; i < file.unsynced.size(); ++i) {
    if (how == 0 || (how == 1 && i >= beginning)) break;
    if (how == 2 && coin()) continue;
    const bool torn = how == 2 && coin();
    put(file, file.unsynced[i], [&] { return !torn || coin(); });
  }
}

}  // namespace rekindle::coordinator
