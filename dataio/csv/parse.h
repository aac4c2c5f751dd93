// CSV as RFC 4180 has it: quoted fields with doubled quotes and line breaks in them; lines end in LF, CRLF
// or CR; blank lines are skipped. Every record has as many fields as the header.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataio/csv/source.h"

namespace rekindle::dataio {

inline constexpr size_t kCsvColumnsMax = 4096;
inline constexpr size_t kCsvFieldBytesMax = 1 << 20;

// Fields of the wanted columns; views into the source's text, or into `unescaped`.
struct CsvRecords {
  std::vector<std::string> header;
  std::vector<std::string> names;                      // of the columns below
  std::vector<std::vector<std::string_view>> columns;  // [column][row]
  std::vector<uint64_t> starts;                        // offset of each row in the text
  std::deque<std::string> unescaped;

  size_t rows() const { return starts.size(); }
};

// Reads the columns named by `wanted`. `source` must outlive the result. Errors name file, line and what to
// do: an empty file, a header that repeats a name or lacks a wanted column, rows with too many or too few
// fields, an unclosed quote.
Result<CsvRecords> parse_csv(const SourceText& source, std::span<const std::string> wanted);

}  // namespace rekindle::dataio
