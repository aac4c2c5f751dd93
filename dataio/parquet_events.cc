#include "dataio/parquet_events.h"

#include <fmt/format.h>

#include "dataio/parquet.h"

namespace rekindle::dataio {
namespace {

v1::Column described(const std::string& name, v1::ColumnType type) {
  v1::Column column;
  column.set_name(name);
  column.set_type(type);
  return column;
}

}  // namespace

std::vector<v1::Column> settled_columns(const v1::Data& data) {
  std::vector<v1::Column> columns;
  columns.push_back(described(data.time(), v1::TIMESTAMP));
  for (const std::string& name : data.numeric()) columns.push_back(described(name, v1::NUMBER));
  for (const std::string& name : data.categorical()) columns.push_back(described(name, v1::TEXT));
  columns.push_back(described(data.label().column(), v1::BOOL));
  columns.push_back(described(kRequestIdColumn, v1::TEXT));
  columns.push_back(described(kRowColumn, v1::NUMBER));
  return columns;
}

Table empty_table(std::span<const v1::Column> columns) {
  Table table;
  for (const v1::Column& column : columns) table.add({column.name(), column.type()});
  return table;
}

Status append_values(Column& column, const v1::ColumnValues& values, size_t rows) {
  const bool text = column.type == v1::TEXT;
  const auto given = static_cast<size_t>(text ? values.texts_size() : values.numbers_size());
  if (given != rows || (text ? values.numbers_size() : values.texts_size()) != 0)
    return invalid_argument(
        fmt::format("column '{}' needs {} {} values, the request carries {} numbers and {} texts",
                    column.name, rows, type_word(column.type), values.numbers_size(), values.texts_size()));
  for (uint32_t row : values.missing())
    if (row >= rows)
      return invalid_argument(
          fmt::format("column '{}' calls row {} missing; the request has {}", column.name, row, rows));
  const size_t before = column.rows();
  if (text) {
    for (const std::string& value : values.texts()) column.add_text(value);
    for (uint32_t row : values.missing()) column.codes[before + row] = kMissingText;
  } else if (column.type == v1::TIMESTAMP) {
    for (double value : values.numbers())
      column.add_time(std::isfinite(value) ? static_cast<int64_t>(std::llround(value)) : kMissingTime);
  } else {
    column.numbers.insert(column.numbers.end(), values.numbers().begin(), values.numbers().end());
  }
  return ok_status();
}

Result<std::string> write_predictions(const Predictions& predictions) {
  Table table;
  const size_t rows = predictions.times_us.size();
  if (predictions.ids.size() != rows || predictions.labels.size() != rows ||
      predictions.probabilities.size() != rows)
    return internal_error("predictions need one time, id, label and probability for each row");
  table.add(time_column("time", predictions.times_us));
  table.add(text_column("id", predictions.ids));
  table.add(bool_column("label", predictions.labels));
  table.add(number_column("probability", predictions.probabilities));
  return write_parquet(table);
}

Result<Predictions> read_predictions(std::string_view parquet, std::string_view name) {
  const std::vector<WantedColumn> wanted = {
      {"time", v1::TIMESTAMP}, {"id", v1::TEXT}, {"label", v1::BOOL}, {"probability", v1::NUMBER}};
  Table table = TRY(read_parquet(parquet, name, wanted));
  Predictions out;
  out.times_us = std::move(table.columns[0].times);
  out.ids.reserve(table.columns[1].rows());
  for (size_t row = 0; row < table.columns[1].rows(); ++row) out.ids.emplace_back(table.columns[1].text(row));
  out.labels = std::move(table.columns[2].numbers);
  out.probabilities = std::move(table.columns[3].numbers);
  return out;
}

}  // namespace rekindle::dataio
