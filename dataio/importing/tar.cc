#include "dataio/importing/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/files.h"
#include "base/units.h"
#include "dataio/csv/source.h"

namespace rekindle::dataio {
namespace {

constexpr size_t kBlock = 64 << 10;
constexpr size_t kPathBytesMax = 1024;
constexpr size_t kEndBytes = 1024;  // two empty records end a tar

struct Closer {
  void operator()(archive* a) const { archive_read_free(a); }
};

std::string_view type_of(mode_t type) {
  switch (type) {
    case AE_IFLNK:
      return "a symbolic link";
    case AE_IFCHR:
    case AE_IFBLK:
      return "a device";
    case AE_IFIFO:
      return "a pipe";
    default:
      return "no regular file";
  }
}

// Without the two empty records at its end a tar was cut off between members, which nothing else shows.
Status check_end(int fd, const std::string& name) {
  struct stat stat {};
  std::array<char, kEndBytes> tail{};
  const bool ended = ::fstat(fd, &stat) == 0 && stat.st_size >= static_cast<off_t>(kEndBytes) &&
                     ::pread(fd, tail.data(), tail.size(), stat.st_size - static_cast<off_t>(kEndBytes)) ==
                         static_cast<ssize_t>(kEndBytes) &&
                     std::all_of(tail.begin(), tail.end(), [](char c) { return c == 0; });
  if (ended) return ok_status();
  return data_loss(
      fmt::format("{} is no whole tar: the two empty records at its end are missing; it was cut "
                  "short or is compressed: fetch it again, or unpack it to a plain .tar",
                  name));
}

}  // namespace

struct TarReader::Impl {
  std::string name;
  Fd fd;
  std::unique_ptr<archive, Closer> tar;
  archive_entry* entry = nullptr;
  std::string path;

  Status refuse(std::string_view what) const {
    return invalid_argument(fmt::format("{}: member '{}' {}", name, path, what));
  }
  Status broken() const {
    const char* why = archive_error_string(tar.get());
    return data_loss(fmt::format("{} is a damaged or unsupported tar{}: {}; fetch it again", name,
                                 path.empty() ? "" : fmt::format(" after member '{}'", path),
                                 why ? why : "unknown reason"));
  }
  Status check_member() const;
};

Status TarReader::Impl::check_member() const {
  if (path.size() > kPathBytesMax || first_bad_byte(path))
    return refuse(fmt::format("has a name that is no UTF-8 text of at most {} bytes", kPathBytesMax));
  if (!check_beneath(path).ok()) return refuse("has a path that leaves its folder");
  if (archive_entry_hardlink(entry) != nullptr) return refuse("is a hard link; only files are taken");
  if (const mode_t type = archive_entry_filetype(entry); type != AE_IFREG)
    return refuse(fmt::format("is {}; only files are taken", type_of(type)));
  if (archive_entry_is_encrypted(entry)) return refuse("is encrypted");
  return ok_status();
}

TarReader::TarReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<TarReader> TarReader::open(const fs::path& file, std::string name) {
  auto impl = std::make_unique<Impl>();
  impl->name = std::move(name);
  impl->fd = Fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!impl->fd.valid()) return errno_status("opening", file);
  TRY_STATUS(check_end(impl->fd.get(), impl->name));
  impl->tar.reset(archive_read_new());
  archive_read_support_format_tar(impl->tar.get());  // and no filter: what is compressed is refused
  if (archive_read_open_fd(impl->tar.get(), impl->fd.get(), kBlock) != ARCHIVE_OK) return impl->broken();
  return TarReader(std::move(impl));
}

Result<bool> TarReader::next() {
  for (;;) {
    const int got = archive_read_next_header(impl_->tar.get(), &impl_->entry);
    if (got == ARCHIVE_EOF) return false;
    if (got == ARCHIVE_RETRY) continue;
    // A warning is an attribute that was not understood, or a name that is no UTF-8, which is seen below.
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return impl_->broken();
    const char* path = archive_entry_pathname(impl_->entry);
    impl_->path = path ? path : "";
    if (impl_->path.starts_with("./")) impl_->path.erase(0, 2);
    if (archive_entry_filetype(impl_->entry) == AE_IFDIR && !archive_entry_hardlink(impl_->entry)) continue;
    TRY_STATUS(impl_->check_member());
    return true;
  }
}

const std::string& TarReader::path() const {
  return impl_->path;
}

Result<std::string> TarReader::read(uint64_t bytes_max) {
  const auto too_large = [&] {
    return impl_->refuse(fmt::format("is larger than {}", format_bytes(bytes_max)));
  };
  const la_int64_t size = archive_entry_size(impl_->entry);
  if (size < 0 || static_cast<uint64_t>(size) > bytes_max) return too_large();
  std::string out(static_cast<size_t>(size), '\0');
  size_t at = 0;
  while (at < out.size()) {
    const la_ssize_t n = archive_read_data(impl_->tar.get(), out.data() + at, out.size() - at);
    if (n == ARCHIVE_RETRY) continue;
    if (n < 0) return impl_->broken();
    if (n == 0) return impl_->broken();
    at += static_cast<size_t>(n);
  }
  return out;
}

}  // namespace rekindle::dataio
