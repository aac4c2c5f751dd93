#include "base/chained_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <mutex>

#include "base/hash.h"

namespace rekindle {
namespace {

constexpr size_t kHashDigits = 64;
constexpr size_t kLineBytesMax = 64 * 1024;

std::string first_hash() {
  return std::string(kHashDigits, '0');
}

std::string hash_after(std::string_view previous, std::string_view content) {
  return sha256_hex(std::string(previous) + std::string(content));
}

}  // namespace

struct ChainedLog::State {
  State(std::filesystem::path path_, Fd fd_, std::string last_, off_t size_)
      : path(std::move(path_)), fd(std::move(fd_)), last(std::move(last_)), size(size_) {}
  const std::filesystem::path path;
  const Fd fd;
  std::mutex appending, syncing;
  std::string last;
  off_t size = 0;
  uint64_t written = 0, synced = 0;
};

ChainedLog::ChainedLog(ChainedLog&&) noexcept = default;

Result<ChainedLog> ChainedLog::open(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return errno_status("opening", path);
  TRY_STATUS(fsync_path(path.parent_path()));
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return errno_status("reading", path);
  // The last whole line lies within the last two longest ones.
  const auto from = std::max<off_t>(0, size - static_cast<off_t>(2 * (kLineBytesMax + kHashDigits + 2)));
  std::string tail(static_cast<size_t>(size - from), '\0');
  if (::pread(fd.get(), tail.data(), tail.size(), from) != static_cast<ssize_t>(tail.size()))
    return errno_status("reading", path);
  const size_t end = tail.rfind('\n');
  const size_t whole = end == std::string::npos ? 0 : end + 1;
  if (whole == 0 && from > 0) return data_loss(path.string() + " does not end like a log of this program");
  if (whole < tail.size() && ::ftruncate(fd.get(), from + static_cast<off_t>(whole)) != 0)
    return errno_status("cutting the torn end of", path);
  std::string last = first_hash();
  if (whole > 0) {
    const size_t before = end == 0 ? std::string::npos : tail.rfind('\n', end - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    last = tail.substr(begin, kHashDigits);
    if (end - begin < kHashDigits + 1 || tail[begin + kHashDigits] != ' ' ||
        last.find_first_not_of("0123456789abcdef") != std::string::npos)
      return data_loss(path.string() + " does not end like a log of this program");
  }
  return ChainedLog(
      std::make_shared<State>(path, std::move(fd), std::move(last), from + static_cast<off_t>(whole)));
}

Status ChainedLog::append(std::string_view content) {
  CHECK(content.size() <= kLineBytesMax && content.find('\n') == std::string_view::npos,
        "one line, of bounded length");
  std::lock_guard lock(state_->appending);
  std::string hash = hash_after(state_->last, content);
  const std::string line = hash + " " + std::string(content) + "\n";
  if (const Status written = write_all(state_->fd.get(), line, state_->path); !written.ok()) {
    // Half a line must not stand in the way of the next one; if that fails too, that one tells.
    static_cast<void>(::ftruncate(state_->fd.get(), state_->size));
    return written;
  }
  state_->last = std::move(hash);
  state_->size += static_cast<off_t>(line.size());
  ++state_->written;
  return ok_status();
}

Status ChainedLog::sync() {
  uint64_t mine = 0;
  {
    std::lock_guard lock(state_->appending);
    mine = state_->written;
  }
  std::lock_guard lock(state_->syncing);
  if (state_->synced >= mine) return ok_status();
  uint64_t now = 0;
  {
    std::lock_guard appending(state_->appending);
    now = state_->written;
  }
  if (::fdatasync(state_->fd.get()) != 0) return errno_status("syncing", state_->path);
  state_->synced = now;
  return ok_status();
}

Result<ChainedLogCheck> check_chained_log(const std::filesystem::path& path,
                                          const std::function<void(std::string_view content)>& each) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return not_found("there is no " + path.string());
  ChainedLogCheck out{0, first_hash(), false};
  std::string line;
  while (std::getline(in, line)) {
    if (in.eof()) {  // no line break behind it
      out.torn = true;
      break;
    }
    const std::string_view content =
        line.size() > kHashDigits ? std::string_view(line).substr(kHashDigits + 1) : "";
    const std::string hash = hash_after(out.last_hash, content);
    if (line.size() <= kHashDigits || line[kHashDigits] != ' ' || line.compare(0, kHashDigits, hash) != 0)
      return data_loss(
          fmt::format("{}, line {}: it does not follow from the lines before it: one of them was "
                      "changed, taken out or put in here",
                      path.string(), out.lines + 1));
    ++out.lines;
    out.last_hash = hash;
    if (each) each(content);
  }
  return out;
}

}  // namespace rekindle
