#include "launch/gang/log_cap.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/files/plain_file.h"
#include "base/units.h"

namespace rekindle::launch {

void LogCap::look() {
  for (const fs::path& log : logs_) cut(log);
}

void LogCap::cut(const fs::path& log) {
  struct stat info {};
  const auto known = cuts_.find(log);
  const uint64_t bound = known == cuts_.end() ? bytes_max_ : known->second.length;
  if (::lstat(log.c_str(), &info) != 0 || static_cast<uint64_t>(info.st_size) <= bound) return;
  const uint64_t size = static_cast<uint64_t>(info.st_size);
  const uint64_t end = std::min(size - bound, kEndBytes);
  const Result<std::string> last = read_plain_file_at(log, size - end, end);
  // Its writers append: after the cut they go on behind it.
  const Result<Fd> fd = append_to_plain_file(log, 0640);
  if (!last.ok() || !fd.ok() || ::ftruncate(fd->get(), static_cast<off_t>(bound)) != 0) return;
  Cut& made = cuts_[log];
  made.dropped += size - bound;
  made.end += *last;
  if (made.end.size() > kEndBytes) made.end.erase(0, made.end.size() - kEndBytes);
  if (made.length != 0) return;
  const std::string line =
      fmt::format("\nrekindle: the log has reached {}: what follows is dropped but for its end\n",
                  format_bytes(bytes_max_));
  made.length = bytes_max_ + line.size();
  const Status lost = write_all(fd->get(), line, log);
  (void)lost;
}

void LogCap::finish() {
  look();
  for (const auto& [log, made] : cuts_) {
    const Result<Fd> fd = append_to_plain_file(log, 0640);
    if (!fd.ok()) continue;
    const Status lost = write_all(
        fd->get(), fmt::format("rekindle: {} bytes were dropped; their end:\n{}", made.dropped, made.end),
        log);
    (void)lost;
  }
}

}  // namespace rekindle::launch
