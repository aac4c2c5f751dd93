// Typed columns from CSV fields: types guessed from all values unless they are given.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataio/csv/parse.h"
#include "dataio/table.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

// A source file as a table, with the lines that its rows came from.
struct SourceTable {
  std::string name;
  Table table;
  std::vector<std::string> header;  // all columns of the file, read or not
  std::string text;                 // the file's, for line numbers
  std::vector<uint64_t> starts;     // offset of each row in it

  // "flights.csv.zip:flights.csv:123"
  std::string where(size_t row) const;
};

// The columns `wanted` of a source file. A column without a given type is, in this order, the first that all
// its values fit: number, timestamp, bool (true, false), text. A number with a leading zero is a code and
// stays text. A column without any value is a number column of missing values.
Result<SourceTable> load_source(const v1::SourceFile& spec, const std::filesystem::path& folder,
                                std::span<const std::string> wanted);

}  // namespace rekindle::dataio
