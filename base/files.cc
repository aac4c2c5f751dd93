#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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

Result<std::string> read_file(const fs::path& path, uint64_t limit_bytes) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_status("opening", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_status("reading", path);
  if (S_ISDIR(info.st_mode))
    return invalid_argument(fmt::format("{} is a folder, not a file", path.string()));
  std::string out;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status("reading", path);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > limit_bytes)
      return invalid_argument(fmt::format("{} is larger than {} bytes", path.string(), limit_bytes));
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

Status fsync_path(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_status("opening", path);
  if (::fsync(fd.get()) != 0) return errno_status("syncing", path);
  return ok_status();
}

Status write_file_durably(const fs::path& path, std::string_view content, int mode) {
  const fs::path temp = path.string() + ".tmp-" + random_hex(6);
  Status status;
  {
    Fd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd.valid()) return errno_status("creating", temp);
    status = write_all(fd.get(), content, temp);
    if (status.ok() && ::fsync(fd.get()) != 0) status = errno_status("syncing", temp);
  }
  if (status.ok() && ::rename(temp.c_str(), path.c_str()) != 0) status = errno_status("renaming to", path);
  if (!status.ok()) {
    ::unlink(temp.c_str());
    return status;
  }
  return fsync_path(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

Status make_folders_durably(const fs::path& path, int mode) {
  if (path.empty() || fs::is_directory(path)) return ok_status();
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (parent != path) TRY_STATUS(make_folders_durably(parent, mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return errno_status("creating folder", path);
  return fsync_path(parent);
}

std::string network_filesystem(const fs::path& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return {};
  switch (static_cast<uint32_t>(info.f_type)) {
    case 0x6969:
      return "nfs";
    case 0x517B:
      return "smb";
    case 0xFF534D42:
      return "cifs";
    case 0xFE534D42:
      return "smb2";
    case 0x0BD00BD0:
      return "lustre";
    case 0x47504653:
      return "gpfs";
    case 0x19830326:
      return "beegfs";
    case 0x00C36400:
      return "ceph";
    case 0x5346414F:
      return "afs";
    case 0x01021997:
      return "9p";
    default:
      return {};
  }
}

}  // namespace rekindle
