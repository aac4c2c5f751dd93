// A source file's bytes, and its text where it is a CSV, plain or the one in a zip; wholly in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle::dataio {

// A year of a busy airport is 30 MB; past this a file should be split by the time that names its snapshots.
inline constexpr uint64_t kSourceBytesMax = 4ull << 30;

struct SourceText {
  std::string name;  // for messages: "flights.csv.zip" or "flights.csv.zip:flights.csv"
  std::string text;  // without byte order mark
};

// Of `file`, which is relative to `folder` and may not leave it.
Result<std::string> read_source_bytes(const std::filesystem::path& folder, std::string_view file,
                                      uint64_t bytes_max = kSourceBytesMax);
// invalid_argument when it is absolute, climbs or is empty.
Status check_beneath(std::string_view file);

// The CSV that these bytes of `file` are or hold, checked to be UTF-8.
Result<SourceText> source_text(std::string file, std::string bytes, uint64_t bytes_max = kSourceBytesMax);
// Offset of the first byte that is not UTF-8 (or is NUL), or nothing.
std::optional<size_t> first_bad_byte(std::string_view text);

// Number of the line that holds the byte at `offset`, from 1.
uint64_t line_of(std::string_view text, size_t offset);

}  // namespace rekindle::dataio
