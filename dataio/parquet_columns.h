// Arrow's arrays as columns of a Table. For parquet_read.cc alone.
#pragma once

#include <arrow/type_fwd.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "dataio/table.h"

namespace rekindle::dataio {

// data_loss that names the file and says what to do.
Status damaged(std::string_view name, std::string_view why);

// Unspecified for what a Table does not hold.
v1::ColumnType column_type(const arrow::DataType& type);

// `file` is what messages call it. invalid_argument: a value past its limit, or no token.
Result<Column> to_column(const arrow::ChunkedArray& chunks, const std::string& name, std::string_view file);

}  // namespace rekindle::dataio
