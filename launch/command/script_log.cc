#include "launch/command/script_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/files/plain_file.h"
#include "base/units.h"

namespace rekindle::launch {

Result<ScriptLog> ScriptLog::open(const fs::path& path, uint64_t bytes_max) {
  Fd log = TRY(append_to_plain_file(path, 0640));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("making a pipe for", path);
  Fd read_end(ends[0]), write_end(ends[1]);
  if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) != 0) return errno_status("making a pipe for", path);
  return ScriptLog(std::move(log), std::move(read_end), std::move(write_end), bytes_max);
}

int64_t ScriptLog::take() {
  constexpr int64_t kAtOnce = 1 << 20;
  char buffer[64 * 1024];
  int64_t taken = 0;
  while (taken < kAtOnce) {
    const ssize_t n = ::read(read_end_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) return taken > 0 ? taken : -1;
    if (n < 0) break;
    keep(std::string_view(buffer, static_cast<size_t>(n)));
    taken += n;
  }
  return taken;
}

void ScriptLog::keep(std::string_view bytes) {
  const size_t room =
      static_cast<size_t>(std::min<uint64_t>(bytes.size(), bytes_max_ - std::min(bytes_max_, written_)));
  if (room > 0) {
    // A full disk must not end the script: what cannot be written is lost.
    const Status lost = write_all(log_.get(), bytes.substr(0, room), "the script's log");
    (void)lost;
    written_ += room;
    bytes.remove_prefix(room);
  }
  if (bytes.empty()) return;
  if (dropped_ == 0)
    say(fmt::format("the log has reached {}: what follows is dropped but for its end",
                    format_bytes(bytes_max_)));
  dropped_ += bytes.size();
  end_ += bytes.substr(bytes.size() - std::min(bytes.size(), kEndBytes));
  if (end_.size() > kEndBytes) end_.erase(0, end_.size() - kEndBytes);
}

void ScriptLog::say(std::string_view line) {
  const Status lost = write_all(log_.get(), fmt::format("rekindle: {}\n", line), "the script's log");
  (void)lost;
}

void ScriptLog::finish() {
  if (dropped_ == 0) return;
  say(fmt::format("{} bytes were dropped; their end:", dropped_));
  const Status lost = write_all(log_.get(), end_, "the script's log");
  (void)lost;
}

}  // namespace rekindle::launch
