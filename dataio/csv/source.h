// A source file's text: a plain CSV, or the one CSV in a zip; wholly in memory, checked to be UTF-8.
#pragma once

#include <cstdint>
#include <filesystem>
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

// `file` is relative to `folder` and may not leave it.
Result<SourceText> read_source(const std::filesystem::path& folder, std::string_view file,
                               uint64_t bytes_max = kSourceBytesMax);

// Number of the line that holds the byte at `offset`, from 1.
uint64_t line_of(std::string_view text, size_t offset);

}  // namespace rekindle::dataio
