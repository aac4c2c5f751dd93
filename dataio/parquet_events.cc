#include "dataio/parquet_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "dataio/parquet.h"

namespace rekindle::dataio {
namespace {

v1::Column described(const std::string& name, v1::ColumnType type) {
  v1::Column column;
  column.set_name(name);
  column.set_type(type);
  return column;
}

std::vector<std::string> answer_columns(const LabelRule& rule, const std::string& name) {
  if (!rule.wide()) return {name};
  std::vector<std::string> out;
  for (size_t k = 0; k < rule.outputs(); ++k) out.push_back(fmt::format("{}[{}]", name, rule.class_name(k)));
  return out;
}

}  // namespace

std::vector<v1::Column> settled_columns(const v1::Data& data) {
  std::vector<v1::Column> columns;
  columns.push_back(described(data.time(), v1::TIMESTAMP));
  for (const std::string& name : data.numeric()) columns.push_back(described(name, v1::NUMBER));
  for (const std::string& name : data.categorical()) columns.push_back(described(name, v1::TEXT));
  if (!data.image().empty()) columns.push_back(described(data.image(), v1::BYTES));
  if (!data.tokens().empty()) columns.push_back(described(data.tokens(), v1::TOKENS));
  columns.push_back(described(data.label().column(), LabelRule(data.label()).column_type()));
  columns.push_back(described(kRequestIdColumn, v1::TEXT));
  columns.push_back(described(kRowColumn, v1::NUMBER));
  return columns;
}

Table empty_table(std::span<const v1::Column> columns) {
  Table table;
  for (const v1::Column& column : columns) table.add({column.name(), column.type()});
  return table;
}

namespace {

struct Given {
  int numbers, texts, blobs, lists;
  int all() const { return numbers + texts + blobs + lists; }
  int of(v1::ColumnType type) const {
    return type == v1::TEXT ? texts : type == v1::BYTES ? blobs : type == v1::TOKENS ? lists : numbers;
  }
};

Status wrong_values(const Column& column, const Given& given, size_t rows) {
  return invalid_argument(fmt::format(
      "column '{}' needs {} {} values, the request carries {} numbers, {} texts, {} blobs and {} lists",
      column.name, rows, type_word(column.type), given.numbers, given.texts, given.blobs, given.lists));
}

Status append_lists(Column& column, const v1::ColumnValues& values) {
  for (const v1::TokenList& list : values.lists()) {
    if (static_cast<size_t>(list.tokens_size()) > kTokensMax ||
        std::any_of(list.tokens().begin(), list.tokens().end(), [](int32_t token) { return token < 0; }))
      return invalid_argument(
          fmt::format("column '{}': a row is at most {} tokens, none below 0", column.name, kTokensMax));
    column.add_list({list.tokens().begin(), list.tokens().end()});
  }
  return ok_status();
}

Status append_blobs(Column& column, const v1::ColumnValues& values) {
  for (const std::string& blob : values.blobs()) {
    if (blob.size() > kBlobBytesMax)
      return invalid_argument(fmt::format("column '{}': a value of {} bytes; at most {} are taken",
                                          column.name, blob.size(), kBlobBytesMax));
    column.add_blob(blob);
  }
  return ok_status();
}

}  // namespace

Status append_values(Column& column, const v1::ColumnValues& values, size_t rows) {
  const Given given{values.numbers_size(), values.texts_size(), values.blobs_size(), values.lists_size()};
  const int own = given.of(column.type);
  if (static_cast<size_t>(own) != rows || given.all() != own) return wrong_values(column, given, rows);
  for (uint32_t row : values.missing())
    if (row >= rows)
      return invalid_argument(
          fmt::format("column '{}' calls row {} missing; the request has {}", column.name, row, rows));
  const size_t before = column.rows();
  switch (column.type) {
    case v1::TEXT:
      for (const std::string& value : values.texts()) column.add_text(value);
      for (uint32_t row : values.missing()) column.codes[before + row] = kMissingText;
      break;
    case v1::BYTES:
      TRY_STATUS(append_blobs(column, values));
      for (uint32_t row : values.missing()) column.blobs[before + row] = nullptr;
      break;
    case v1::TOKENS:
      TRY_STATUS(append_lists(column, values));
      for (uint32_t row : values.missing()) column.lists[before + row] = nullptr;
      break;
    case v1::TIMESTAMP:
      for (double value : values.numbers())
        column.add_time(std::isfinite(value) ? static_cast<int64_t>(std::llround(value)) : kMissingTime);
      break;
    default:
      column.numbers.insert(column.numbers.end(), values.numbers().begin(), values.numbers().end());
  }
  return ok_status();
}

v1::ColumnValues to_values(const Column& column) {
  v1::ColumnValues values;
  values.set_name(column.name);
  switch (column.type) {
    case v1::TEXT:
      for (size_t row = 0; row < column.rows(); ++row) *values.add_texts() = column.text(row);
      break;
    case v1::BYTES:
      for (const Blob& blob : column.blobs) *values.add_blobs() = blob ? *blob : std::string();
      break;
    case v1::TOKENS:
      for (const TokenRow& row : column.lists) {
        v1::TokenList* list = values.add_lists();
        if (row) list->mutable_tokens()->Add(row->begin(), row->end());
      }
      break;
    case v1::TIMESTAMP:
      for (const int64_t time : column.times) values.add_numbers(static_cast<double>(time));
      return values;
    default:
      values.mutable_numbers()->Add(column.numbers.begin(), column.numbers.end());
      return values;
  }
  for (size_t row = 0; row < column.rows(); ++row)
    if (column.missing(row)) values.add_missing(static_cast<uint32_t>(row));
  return values;
}

void add_answers(Table& table, const LabelRule& rule, const std::string& name,
                 std::span<const double> answers) {
  const size_t width = rule.outputs(), rows = answers.size() / width;
  const std::vector<std::string> names = answer_columns(rule, name);
  for (size_t k = 0; k < width; ++k) {
    std::vector<double> values(rows);
    for (size_t r = 0; r < rows; ++r) values[r] = answers[r * width + k];
    table.add(number_column(names[k], std::move(values)));
  }
}

Result<std::string> write_predictions(const LabelRule& rule, const Predictions& predictions) {
  Table table;
  const size_t rows = predictions.times_us.size();
  if (predictions.ids.size() != rows || predictions.labels.size() != rows ||
      predictions.answers.size() != rows * rule.outputs())
    return internal_error("predictions need one time, id, label and answer for each row");
  table.add(time_column("time", predictions.times_us));
  table.add(text_column("id", predictions.ids));
  table.add(rule.column("label", predictions.labels));
  add_answers(table, rule, std::string(rule.output_name()), predictions.answers);
  return write_parquet(table);
}

Result<Predictions> read_predictions(const LabelRule& rule, std::string_view parquet, std::string_view name) {
  std::vector<WantedColumn> wanted = {
      {"time", v1::TIMESTAMP}, {"id", v1::TEXT}, {"label", rule.column_type()}};
  for (auto& column : answer_columns(rule, std::string(rule.output_name())))
    wanted.push_back({std::move(column), v1::NUMBER});
  Table table = TRY(read_parquet(parquet, name, wanted));
  Predictions out;
  out.times_us = std::move(table.columns[0].times);
  const size_t rows = out.times_us.size(), width = rule.outputs();
  out.ids.reserve(rows);
  for (size_t row = 0; row < rows; ++row) out.ids.emplace_back(table.columns[1].text(row));
  out.labels = TRY(rule.read(table.columns[2]));
  out.answers.resize(rows * width);
  for (size_t k = 0; k < width; ++k)
    for (size_t row = 0; row < rows; ++row) out.answers[row * width + k] = table.columns[3 + k].numbers[row];
  return out;
}

}  // namespace rekindle::dataio
