#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/faults/crash_point.h"
#include "base/files/filesystem_kind.h"
#include "base/files/passing_files.h"
#include "base/files/shared.h"
#include "base/ids.h"

namespace rekindle {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Status errno_status(std::string_view doing, const fs::path& path) {
  const int error = errno;
  Code code = Code::kInternal;
  if (error == ENOENT) code = Code::kNotFound;
  if (error == EACCES || error == EPERM) code = Code::kPermissionDenied;
  if (error == ENOSPC || error == EDQUOT) code = Code::kResourceExhausted;
  if (error == EEXIST) code = Code::kAlreadyExists;
  return {code, fmt::format("{} {}: {}", doing, path.string(), std::strerror(error))};
}

namespace {

// Of a file that was replaced on its server while we read: the name holds another one by now.
constexpr int kReadsOfStale = 4;

Result<std::string> read_once(const fs::path& path, uint64_t limit_bytes, bool* stale) {
  const auto failed = [&](std::string_view doing) -> Status {
    *stale = errno == ESTALE;
    return errno_status(doing, path);
  };
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return failed("opening");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return failed("reading");
  if (S_ISDIR(info.st_mode))
    return invalid_argument(fmt::format("{} is a folder, not a file", path.string()));
  std::string out;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("reading");
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > limit_bytes)
      return invalid_argument(fmt::format("{} is larger than {} bytes", path.string(), limit_bytes));
  }
}

}  // namespace

Result<std::string> read_file(const fs::path& path, uint64_t limit_bytes) {
  for (int reads = 1;; ++reads) {
    bool stale = false;
    Result<std::string> read = read_once(path, limit_bytes, &stale);
    if (read.ok() || !stale || reads == kReadsOfStale) return read;
  }
}

Status write_all(int fd, std::string_view bytes, const fs::path& path_for_errors) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status("writing", path_for_errors);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ok_status();
}

namespace {

// That there was none of this name may be remembered here for a while; a listing is the server's.
bool listed(int folder, const fs::path& path, ino_t number) {
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const int fd = ::openat(folder, parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = fd < 0 ? nullptr : ::fdopendir(fd);
  if (entries == nullptr) return false;
  bool found = false;
  while (const dirent* entry = ::readdir(entries))
    found = found || (entry->d_ino == number && path.filename() == entry->d_name);
  ::closedir(entries);
  return found;
}

}  // namespace

Status rename_path(const fs::path& from, const fs::path& to) {
  struct stat what {};
  if (::lstat(from.c_str(), &what) != 0) return errno_status("renaming", from);
  return rename_at(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), what);
}

Status rename_at(int from_folder, const char* from, int to_folder, const char* to, const struct stat& what) {
  if (::renameat(from_folder, from, to_folder, to) == 0) return ok_status();
  const Status failed = errno_status("renaming to", to);
  // Opened, not only looked at: that asks the server anew, where attributes may be old.
  const Fd there(::openat(to_folder, to, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!there.valid()) return errno == ENOENT && listed(to_folder, to, what.st_ino) ? ok_status() : failed;
  if (::fstat(there.get(), &info) != 0) return failed;
  return info.st_ino == what.st_ino && info.st_dev == what.st_dev ? ok_status() : failed;
}

void remove_tree(const fs::path& path, std::error_code& error) {
  // A call that ends with ENOENT has removed what it was at, or found it gone.
  constexpr int kTries = 100'000;
  for (int i = 0; i < kTries; ++i) {
    fs::remove_all(path, error);
    if (error != std::errc::no_such_file_or_directory) return;
  }
}

Status fsync_path(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_status("opening", path);
  if (::fsync(fd.get()) != 0) return errno_status("syncing", path);
  return ok_status();
}

namespace {

// Temp file beside the target and rename; `sync`: its content is durable before it gets its name.
Status replace_file(const fs::path& path, std::string_view content, int mode, bool sync) {
  const fs::path temp = path.string() + ".tmp-" + random_hex(6);
  Status status;
  {
    Fd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    // Nobody else has that name: a server whose answer was lost was asked twice.
    if (!fd.valid() && errno == EEXIST)
      fd = Fd(::open(temp.c_str(), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return errno_status("creating", temp);
    status = write_all(fd.get(), content, temp);
    if (status.ok() && sync && ::fsync(fd.get()) != 0) status = errno_status("syncing", temp);
  }
  if (sync) crash_point("file-synced");
  if (status.ok()) status = rename_path(temp, path);
  if (!status.ok()) ::unlink(temp.c_str());
  return status;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

Status make_each(const fs::path& path, int mode, bool sync) {
  if (path.empty() || fs::is_directory(path)) return ok_status();
  const fs::path parent = folder_of(path);
  if (parent != path) TRY_STATUS(make_each(parent, mode, sync));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return errno_status("creating folder", path);
  return sync ? fsync_path(parent) : ok_status();
}

}  // namespace

Status write_file_durably(const fs::path& path, std::string_view content, int mode) {
  TRY_STATUS(replace_file(path, content, mode, true));
  crash_point("file-renamed");
  return fsync_path(folder_of(path));
}

Status write_file_atomically(const fs::path& path, std::string_view content, int mode) {
  return replace_file(path, content, mode, false);
}

Status make_folders_durably(const fs::path& path, int mode) {
  return make_each(path, mode, true);
}
Status make_folders(const fs::path& path, int mode) {
  return make_each(path, mode, false);
}

std::string network_filesystem(const fs::path& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return {};
  const uint32_t magic = static_cast<uint32_t>(info.f_type);
  std::string type;
  struct stat entry {};
  if (magic == kFuseMagic && ::stat(path.c_str(), &entry) == 0) {
    const auto mounts = read_file("/proc/self/mountinfo");
    if (mounts.ok()) type = mount_type(*mounts, major(entry.st_dev), minor(entry.st_dev));
  }
  return network_kind(magic, type);
}

}  // namespace rekindle
