#include "coordinator/backup/pieces.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/files/plain_file.h"

namespace rekindle::coordinator {
namespace {

constexpr uint64_t kPieceBytes = 16ull << 20;
constexpr size_t kBufferBytes = 1 << 20;

}  // namespace

Result<FilePieces> FilePieces::reading(const fs::path& from) {
  Fd in = TRY(open_plain_file(from));
  (void)::posix_fadvise(in.get(), 0, 0, POSIX_FADV_DONTNEED);
  return FilePieces(from, std::move(in));
}

Result<FilePieces> FilePieces::copying(const fs::path& from, const fs::path& to, mode_t mode,
                                       uint64_t bytes_most) {
  FilePieces out(from, TRY(open_plain_file(from)));
  out.to_ = to;
  out.bytes_most_ = bytes_most;
  out.out_ = Fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!out.out_.valid()) return errno_status("making", to);
  return out;
}

Result<bool> FilePieces::next() {
  std::string buffer(kBufferBytes, '\0');
  const uint64_t until = bytes_ + std::min(kPieceBytes, bytes_most_ - bytes_);
  bool over = until == bytes_;
  while (bytes_ < until && !over) {
    const ssize_t n = ::read(in_.get(), buffer.data(), std::min<uint64_t>(buffer.size(), until - bytes_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status("reading", from_);
    over = n == 0;
    const std::string_view read(buffer.data(), static_cast<size_t>(n));
    hash_->update(read);
    if (out_.valid()) TRY_STATUS(write_all(out_.get(), read, to_));
    bytes_ += read.size();
  }
  if (out_.valid() && ::fsync(out_.get()) != 0) return errno_status("syncing", to_);
  return !over;
}

}  // namespace rekindle::coordinator
