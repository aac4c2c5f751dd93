#include "launch/report_log.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/files/plain_file.h"
#include "base/hash.h"

namespace rekindle::launch {
namespace {

constexpr size_t kHeaderBytes = 12;

void put_little_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

uint64_t get_little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// The payload at the front of `bytes`; empty optional: not whole yet.
Result<std::optional<std::string_view>> next_frame(std::string_view bytes, const fs::path& path,
                                                   uint64_t at) {
  if (bytes.size() < kHeaderBytes) return std::optional<std::string_view>();
  const uint64_t length = get_little_endian(bytes.substr(0, 4));
  if (length > kReportBytesMax)
    return data_loss(
        fmt::format("{} is damaged at byte {}: a report of {} bytes", path.string(), at, length));
  if (bytes.size() < kHeaderBytes + length) return std::optional<std::string_view>();
  const std::string_view payload = bytes.substr(kHeaderBytes, length);
  if (stable_hash(payload, length) != get_little_endian(bytes.substr(4, 8)))
    return data_loss(fmt::format("{} is damaged at byte {}: wrong checksum", path.string(), at));
  return std::optional<std::string_view>(payload);
}

// Nothing when the file is not there.
Result<std::string> read_from(const fs::path& path, uint64_t offset, size_t limit) {
  Result<std::string> bytes = read_plain_file_at(path, offset, limit);
  if (!bytes.ok() && bytes.status().code() == Code::kNotFound) return std::string();
  return bytes;
}

}  // namespace

Result<ReportWriter> ReportWriter::open(const AttemptFolder& folder, int rank) {
  const fs::path path = folder.report(rank);
  Fd fd = TRY(append_to_plain_file(path, 0640));
  struct stat info {};
  if (::fstat(fd.get(), &info) == 0 && info.st_size == 0) return ReportWriter(std::move(fd), path);
  ReportReader reader(folder, rank);
  while (!TRY(reader.read_new()).empty()) {
  }
  if (::ftruncate(fd.get(), static_cast<off_t>(reader.offset())) != 0) return errno_status("cutting", path);
  return ReportWriter(std::move(fd), path);
}

Status ReportWriter::append(const v1::Report& report) {
  const std::string payload = report.SerializeAsString();
  if (payload.size() > kReportBytesMax)
    return invalid_argument(
        fmt::format("a report of {} bytes is larger than {}", payload.size(), kReportBytesMax));
  std::string frame;
  frame.reserve(kHeaderBytes + payload.size());
  put_little_endian(frame, payload.size(), 4);
  put_little_endian(frame, stable_hash(payload, payload.size()), 8);
  frame += payload;
  return write_all(fd_.get(), frame, path_);
}

Result<std::vector<v1::Report>> ReportReader::read_new(size_t max) {
  constexpr size_t kReadBytes = 4 * (kReportBytesMax + kHeaderBytes);
  const std::string bytes = TRY(read_from(path_, offset_, kReadBytes));
  std::vector<v1::Report> out;
  std::string_view rest = bytes;
  while (out.size() < max) {
    const Result<std::optional<std::string_view>> payload = next_frame(rest, path_, offset_);
    v1::Report report;
    Status damage = payload.status();
    if (damage.ok() && !payload->has_value()) break;
    if (damage.ok() && !report.ParseFromArray((*payload)->data(), static_cast<int>((*payload)->size())))
      damage = data_loss(fmt::format("{} is damaged at byte {}: not a report", path_.string(), offset_));
    if (!damage.ok()) {
      // What came before the damage is handed over first.
      if (out.empty()) return damage;
      break;
    }
    out.push_back(std::move(report));
    rest.remove_prefix(kHeaderBytes + (*payload)->size());
    offset_ += kHeaderBytes + (*payload)->size();
  }
  return out;
}

}  // namespace rekindle::launch
