// Typed columns from CSV fields: types guessed from all values unless they are given.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "dataio/csv/source.h"
#include "dataio/importing/source.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

// Fields as a column. Without a given type it is, in this order, the first that all fields fit: number,
// timestamp, bool (true, false), text. A number with a leading zero is a code and stays text. A column
// without any value is a number column of missing values. Tokens are asked for: "5 17 2". Empty fields and
// `missing` are missing values. invalid_argument names the place of a field that does not fit, by `where`.
Result<Column> typed_column(std::string name, std::span<const std::string_view> fields,
                            std::string_view missing, v1::ColumnType type,
                            const std::function<std::string(size_t row)>& where);

// The columns `wanted` of a CSV.
Result<SourceTable> load_csv(SourceText source, const v1::SourceFile& spec,
                             std::span<const std::string> wanted);

// Text of a missing value when the spec does not say: as R writes it.
std::string_view missing_text(const v1::SourceFile& spec);

}  // namespace rekindle::dataio
