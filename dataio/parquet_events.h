// Tables of logged events: the columns of a settled day, and the predictions of an evaluation.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/events.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::dataio {

inline constexpr char kRequestIdColumn[] = "request_id";  // TEXT
inline constexpr char kRowColumn[] = "row";               // NUMBER: row within the request

// Columns of a settled day: time, numeric, categorical, image (BYTES), tokens (TOKENS), label (BOOL),
// request_id, row.
std::vector<v1::Column> settled_columns(const v1::Data& data);
// An empty table with these columns.
Table empty_table(std::span<const v1::Column> columns);

// Appends the values of one request to a column of that name; `rows` is what the request says it has.
// invalid_argument when there are more or fewer, of another kind, or larger than a value may be: then the
// column is not to be used.
Status append_values(Column& column, const v1::ColumnValues& values, size_t rows);
// The other way round: a request's column as it is recorded.
v1::ColumnValues to_values(const Column& column);

// Evaluation and score results: columns time (TIMESTAMP), id (TEXT), label (BOOL), probability (NUMBER).
struct Predictions {
  std::vector<int64_t> times_us;
  std::vector<std::string> ids;
  std::vector<double> labels;  // NaN: unlabelled
  std::vector<double> probabilities;
};
Result<std::string> write_predictions(const Predictions& predictions);  // Parquet bytes
Result<Predictions> read_predictions(std::string_view parquet, std::string_view name);

}  // namespace rekindle::dataio
