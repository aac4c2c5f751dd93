#include "base/files/plain_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace rekindle {
namespace {

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

Status not_plain(const fs::path& path, std::string_view what) {
  return data_loss(fmt::format("{} is {}, not a file: somebody has put it there", path.string(), what));
}

Result<Fd> open_plain(const fs::path& path, int flags, mode_t mode) {
  const fs::path around = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Fd folder(::open(around.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  // A link that was to be a folder, or a link that was to be a file.
  if (!folder.valid() && errno == ENOTDIR) return not_plain(around, "no folder");
  if (!folder.valid()) return errno_status("opening", around);
  Fd fd(::openat(folder.get(), path.filename().c_str(),
                 flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode));
  if (!fd.valid() && errno == ELOOP) return not_plain(path, "a symbolic link");
  if (!fd.valid() && errno == ENXIO) return not_plain(path, "a pipe or a socket");
  if (!fd.valid() && errno == EISDIR) return not_plain(path, "a folder");
  if (!fd.valid()) return errno_status("opening", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_status("reading", path);
  if (!S_ISREG(info.st_mode)) return not_plain(path, kind_of(info.st_mode));
  return fd;
}

}  // namespace

Result<Fd> open_plain_file(const fs::path& path) {
  return open_plain(path, O_RDONLY, 0);
}

Result<Fd> append_to_plain_file(const fs::path& path, mode_t mode) {
  return open_plain(path, O_WRONLY | O_CREAT | O_APPEND, mode);
}

Result<std::string> read_plain_file_at(const fs::path& path, uint64_t offset, size_t bytes_max) {
  const Fd fd = TRY(open_plain_file(path));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_status("reading", path);
  const uint64_t size = static_cast<uint64_t>(info.st_size);
  std::string out(static_cast<size_t>(std::min<uint64_t>(bytes_max, size > offset ? size - offset : 0)),
                  '\0');
  size_t have = 0;
  while (have < out.size()) {
    const ssize_t n =
        ::pread(fd.get(), out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status("reading", path);
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  out.resize(have);
  return out;
}

Result<std::string> read_plain_file(const fs::path& path, uint64_t limit_bytes) {
  std::string out = TRY(read_plain_file_at(path, 0, static_cast<size_t>(limit_bytes) + 1));
  if (out.size() > limit_bytes)
    return invalid_argument(fmt::format("{} is larger than {} bytes", path.string(), limit_bytes));
  return out;
}

}  // namespace rekindle
