#include "coordinator/attempts/logs.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/files/plain_file.h"
#include "base/text/printable.h"

namespace rekindle::coordinator {

namespace {

// Empty when the file is not there yet.
Result<std::string> read_at(const fs::path& path, uint64_t offset, size_t bytes_max) {
  Result<std::string> bytes = read_plain_file_at(path, offset, bytes_max);
  if (!bytes.ok() && bytes.status().code() == Code::kNotFound) return std::string();
  return bytes;
}

}  // namespace

LogReader::LogReader(launch::AttemptFolder folder, uint32_t world, int rank) {
  for (int r = 0; r < static_cast<int>(world); ++r)
    if (rank < 0 || rank == r) sources_.push_back({r, folder.log(r), 0});
}

Status LogReader::seek_tail(uint32_t lines) {
  if (lines == 0) return ok_status();
  for (Source& source : sources_) {
    struct stat info {};
    if (::lstat(source.path.c_str(), &info) != 0) continue;
    const uint64_t size = static_cast<uint64_t>(info.st_size);
    const uint64_t begin = size > kLogBytesMax ? size - kLogBytesMax : 0;
    std::string tail = TRY(read_at(source.path, begin, kLogBytesMax));
    size_t at = tail.size();
    if (at > 0 && tail[at - 1] == '\n') --at;
    for (uint32_t n = 0; n < lines && at > 0; ++n) {
      size_t end = tail.rfind('\n', at - 1);
      at = end == std::string::npos ? 0 : end;
      if (end == std::string::npos) break;
    }
    source.offset = begin + (at > 0 ? at + 1 : 0);
  }
  return ok_status();
}

Result<std::vector<LogLines>> LogReader::read_new(bool flush) {
  std::vector<LogLines> out;
  for (Source& source : sources_) {
    std::string bytes = TRY(read_at(source.path, source.offset, kLogBytesMax));
    size_t end = bytes.rfind('\n');
    const bool all = bytes.size() < kLogBytesMax;
    if (end != std::string::npos && !(flush && all))
      bytes.resize(end + 1);
    else if (!flush && all)
      continue;
    if (bytes.empty()) continue;
    source.offset += bytes.size();
    if (bytes.back() == '\n') bytes.pop_back();
    LogLines lines{source.rank, {}};
    for (size_t from = 0; from <= bytes.size();) {
      size_t to = std::min(bytes.find('\n', from), bytes.size());
      lines.lines.push_back(valid_utf8(std::string_view(bytes).substr(from, to - from)));
      from = to + 1;
    }
    out.push_back(std::move(lines));
  }
  return out;
}

}  // namespace rekindle::coordinator
