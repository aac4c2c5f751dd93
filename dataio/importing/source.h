// A source of rows as a table: a CSV, a Parquet file, or tar shards, as v1::SourceFile names it.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

struct SourceTable {
  std::string name;
  Table table;
  std::vector<std::string> header;               // all columns of the source, read or not
  std::function<std::string(size_t row)> where;  // "flights.csv.zip:flights.csv:123", "a.tar:000017"
};

// The columns `wanted`, in their order, each once; files are looked for under `folder` and nowhere else.
// Errors name the file, the place in it and what to do.
Result<SourceTable> load_source(const v1::SourceFile& spec, const std::filesystem::path& folder,
                                std::span<const std::string> wanted);

// What the spec's `types` says of a column; unspecified: nothing.
v1::ColumnType type_given(const v1::SourceFile& spec, const std::string& column);
// not_found names a column that has a type there and is not in the header.
Status check_types(const v1::SourceFile& spec, const std::string& name, std::span<const std::string> header);

// What messages call it: the file, or the pattern of the shards.
const std::string& source_label(const v1::SourceFile& spec);

}  // namespace rekindle::dataio
