#include "coordinator/journal/wal_check.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "base/files.h"

namespace rekindle::coordinator {

namespace {

// The format is documented at sqlite.org/fileformat2.html#walformat; all numbers are big-endian.
constexpr size_t kHeader = 32;
constexpr size_t kFrameHeader = 24;
constexpr uint32_t kMagic = 0x377f0682;  // with the last bit set the checksums read big-endian words
constexpr uint64_t kLogBytesMax = 4ull << 30;

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t out = 0;
  for (size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

uint32_t little_endian(std::string_view bytes, size_t at) {
  return __builtin_bswap32(big_endian(bytes, at));
}

struct Checksum {
  uint32_t first = 0;
  uint32_t second = 0;
  bool big = false;

  void add(std::string_view bytes) {
    for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      first += (big ? big_endian(bytes, at) : little_endian(bytes, at)) + second;
      second += (big ? big_endian(bytes, at + 4) : little_endian(bytes, at + 4)) + first;
    }
  }
  bool equals(std::string_view bytes, size_t at) const {
    return first == big_endian(bytes, at) && second == big_endian(bytes, at + 4);
  }
};

// Frames from `from` on that end a commit of this generation of the log (its salts).
size_t commits_behind(std::string_view log, size_t from, size_t frame_bytes, std::string_view salts) {
  size_t commits = 0;
  for (size_t at = from; at + frame_bytes <= log.size(); at += frame_bytes)
    if (log.substr(at + 8, 8) == salts && big_endian(log, at + 4) != 0) ++commits;
  return commits;
}

}  // namespace

Status check_write_ahead_log(const std::filesystem::path& path) {
  std::error_code error;
  if (!fs::exists(path, error) || fs::file_size(path, error) < kHeader + kFrameHeader) return ok_status();
  const std::string log = TRY(read_file(path, kLogBytesMax));
  const std::string_view bytes(log);

  Checksum sum;
  sum.big = (big_endian(bytes, 0) & 1) != 0;
  sum.add(bytes.substr(0, 24));
  const uint32_t page = big_endian(bytes, 8);
  const bool page_valid = page >= 512 && page <= 65536 && (page & (page - 1)) == 0;
  const bool header_valid = (big_endian(bytes, 0) & ~1u) == kMagic && page_valid && sum.equals(bytes, 24);
  // With a damaged header all frames are lost: their size is then taken to be SQLite's default.
  const size_t frame_bytes = kFrameHeader + (header_valid ? page : 4096);
  const std::string_view salts = header_valid ? bytes.substr(16, 8) : bytes.substr(kHeader + 8, 8);

  size_t at = kHeader;
  while (header_valid && at + frame_bytes <= bytes.size() && bytes.substr(at + 8, 8) == salts) {
    sum.add(bytes.substr(at, 8));
    sum.add(bytes.substr(at + kFrameHeader, page));
    if (!sum.equals(bytes, at + 16)) break;
    at += frame_bytes;
  }
  if (commits_behind(bytes, at, frame_bytes, salts) < 2) return ok_status();
  return data_loss(
      fmt::format("{} is damaged at byte {}, with committed events behind it: restore it, together with "
                  "the database beside it, from a copy",
                  path.string(), header_valid ? at : 0));
}

}  // namespace rekindle::coordinator
