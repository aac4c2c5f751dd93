// Tables of logged events: the columns of a settled day, and the predictions of an evaluation.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/labels.h"
#include "dataio/table.h"
#include "rekindle/v1/events.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::dataio {

inline constexpr char kRequestIdColumn[] = "request_id";  // TEXT
inline constexpr char kRowColumn[] = "row";               // NUMBER: row within the request

// Columns of a settled day: time, numeric, categorical, image (BYTES), tokens (TOKENS), label (of its
// kind's type), request_id, row.
std::vector<v1::Column> settled_columns(const v1::Data& data);
// An empty table with these columns.
Table empty_table(std::span<const v1::Column> columns);

// Appends the values of one request to a column of that name; `rows` is what the request says it has.
// invalid_argument when there are more or fewer, of another kind, or larger than a value may be: then the
// column is not to be used.
Status append_values(Column& column, const v1::ColumnValues& values, size_t rows);
// The other way round: a request's column as it is recorded.
v1::ColumnValues to_values(const Column& column);

// Adds answers, `rule.outputs()` a row: one column `name`, or of classes one each, "name[UA]".
void add_answers(Table& table, const LabelRule& rule, const std::string& name,
                 std::span<const double> answers);

// Score results: columns time (TIMESTAMP), id (TEXT), label (of its kind's type) and the answers under the
// rule's output name: probability, value, or "probabilities[UA]" for each class.
struct Predictions {
  std::vector<int64_t> times_us;
  std::vector<std::string> ids;
  std::vector<double> labels;   // NaN: unlabelled
  std::vector<double> answers;  // row-major
};
Result<std::string> write_predictions(const LabelRule& rule,
                                      const Predictions& predictions);  // Parquet bytes
Result<Predictions> read_predictions(const LabelRule& rule, std::string_view parquet, std::string_view name);

}  // namespace rekindle::dataio
