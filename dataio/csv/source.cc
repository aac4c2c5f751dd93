#include "dataio/csv/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/files.h"
#include "base/units.h"

namespace rekindle::dataio {
namespace {

constexpr std::string_view kZipMagics[] = {"PK\x03\x04", "PK\x05\x06"};  // with entries, without any
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct ArchiveCloser {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Archive = std::unique_ptr<archive, ArchiveCloser>;

Status zip_error(const std::string& name, archive* zip) {
  const char* why = archive_error_string(zip);
  return data_loss(
      fmt::format("{} is a damaged or unsupported zip: {}; fetch it again, or unpack it and name the "
                  "CSV itself",
                  name, why ? why : "unknown reason"));
}

Result<std::string> read_entry(archive* zip, const std::string& name, uint64_t bytes_max) {
  std::string text;
  std::string buffer(1 << 20, '\0');
  for (;;) {
    const la_ssize_t n = archive_read_data(zip, buffer.data(), buffer.size());
    if (n == ARCHIVE_RETRY) continue;
    if (n < 0) return zip_error(name, zip);
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > bytes_max)
      return resource_exhausted(
          fmt::format("{} unpacks to more than {}; split it", name, format_bytes(bytes_max)));
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

bool is_csv_entry(archive_entry* entry, const std::string& path) {
  return archive_entry_filetype(entry) == AE_IFREG && !path.starts_with("__MACOSX/");
}

Result<SourceText> unzip(const std::string& name, const std::string& bytes, uint64_t bytes_max) {
  Archive zip(archive_read_new());
  archive_read_support_format_zip(zip.get());
  if (archive_read_open_memory(zip.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return zip_error(name, zip.get());
  std::optional<SourceText> found;
  for (;;) {
    archive_entry* entry = nullptr;
    const int got = archive_read_next_header(zip.get(), &entry);
    if (got == ARCHIVE_EOF) break;
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return zip_error(name, zip.get());
    const char* raw_path = archive_entry_pathname(entry);
    const std::string path = raw_path ? raw_path : "";
    if (!is_csv_entry(entry, path)) continue;
    if (found)
      return invalid_argument(
          fmt::format("{} holds more than one file ({}, {}); one CSV is needed: unpack it and name "
                      "the one that is meant",
                      name, found->name, path));
    found = SourceText{path, TRY(read_entry(zip.get(), name, bytes_max))};
  }
  if (!found)
    return invalid_argument(fmt::format("{} is a zip without a file in it; one CSV is needed", name));
  found->name = name + ":" + found->name;
  return *std::move(found);
}

}  // namespace

std::optional<size_t> first_bad_byte(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const size_t size = text.size();
  size_t at = 0;
  while (at < size) {
    // Eight ASCII bytes at a time; a NUL is found by the bit trick of Mycroft.
    while (at + 8 <= size) {
      uint64_t word;
      std::memcpy(&word, bytes + at, 8);
      if ((word & 0x8080808080808080ull) != 0 ||
          ((word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull) != 0)
        break;
      at += 8;
    }
    if (at >= size) break;
    const unsigned char lead = bytes[at];
    if (lead == 0) return at;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + length > size) return at;
    uint32_t point = lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) {
      if ((bytes[at + i] & 0xC0) != 0x80) return at;
      point = (point << 6) | (bytes[at + i] & 0x3Fu);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return at;
    at += length;
  }
  return std::nullopt;
}

Status check_beneath(std::string_view file) {
  const fs::path path(file);
  const bool leaves =
      std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
  if (file.empty() || path.is_absolute() || leaves || file.find('\0') != std::string_view::npos)
    return invalid_argument(
        fmt::format("'{}' must be a path below the source folder (--source), without '..'", file));
  return ok_status();
}

uint64_t line_of(std::string_view text, size_t offset) {
  uint64_t line = 1;
  for (size_t at = 0; at < std::min(offset, text.size()); ++at)
    if (text[at] == '\n' || (text[at] == '\r' && (at + 1 == text.size() || text[at + 1] != '\n'))) ++line;
  return line;
}

Result<std::string> read_source_bytes(const fs::path& folder, std::string_view file, uint64_t bytes_max) {
  TRY_STATUS(check_beneath(file));
  Result<std::string> bytes = read_file(folder / fs::path(file), bytes_max);
  if (!bytes.ok() && bytes.status().code() == Code::kNotFound)
    return not_found(fmt::format("no file {} in {}; name its folder with --source", file, folder.string()));
  return bytes;
}

Result<SourceText> source_text(std::string file, std::string bytes, uint64_t bytes_max) {
  SourceText source;
  source.name = std::move(file);
  const bool zipped = std::any_of(std::begin(kZipMagics), std::end(kZipMagics),
                                  [&](std::string_view magic) { return bytes.starts_with(magic); });
  if (zipped)
    source = TRY(unzip(source.name, bytes, bytes_max));
  else
    source.text = std::move(bytes);
  if (source.text.starts_with(kByteOrderMark)) source.text.erase(0, kByteOrderMark.size());
  if (source.text.starts_with("\xFF\xFE") || source.text.starts_with("\xFE\xFF"))
    return invalid_argument(fmt::format("{} is UTF-16; convert it: iconv -f utf-16 -t utf-8", source.name));
  if (const std::optional<size_t> bad = first_bad_byte(source.text))
    return invalid_argument(fmt::format(
        "{}:{}: byte {:#04x} is not UTF-8 text; convert the file, for example: iconv -f latin1 -t utf-8",
        source.name, line_of(source.text, *bad), static_cast<unsigned char>(source.text[*bad])));
  return source;
}

}  // namespace rekindle::dataio
