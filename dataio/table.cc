#include "dataio/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace rekindle::dataio {

size_t Column::rows() const {
  switch (type) {
    case v1::TIMESTAMP:
      return times.size();
    case v1::TEXT:
      return codes.size();
    case v1::BYTES:
      return blobs.size();
    case v1::TOKENS:
      return lists.size();
    default:
      return numbers.size();
  }
}

bool Column::missing(size_t row) const {
  switch (type) {
    case v1::TIMESTAMP:
      return times[row] == kMissingTime;
    case v1::TEXT:
      return codes[row] < 0;
    case v1::BYTES:
      return blobs[row] == nullptr;
    case v1::TOKENS:
      return lists[row] == nullptr;
    default:
      return std::isnan(numbers[row]);
  }
}

std::string_view Column::text(size_t row) const {
  return codes[row] < 0 ? std::string_view{} : std::string_view(words[static_cast<size_t>(codes[row])]);
}

void Column::reserve(size_t rows) {
  switch (type) {
    case v1::TIMESTAMP:
      return times.reserve(rows);
    case v1::TEXT:
      return codes.reserve(rows);
    case v1::BYTES:
      return blobs.reserve(rows);
    case v1::TOKENS:
      return lists.reserve(rows);
    default:
      return numbers.reserve(rows);
  }
}

void Column::add_missing() {
  switch (type) {
    case v1::TIMESTAMP:
      times.push_back(kMissingTime);
      return;
    case v1::TEXT:
      codes.push_back(kMissingText);
      return;
    case v1::BYTES:
      blobs.emplace_back();
      return;
    case v1::TOKENS:
      lists.emplace_back();
      return;
    default:
      numbers.push_back(kMissingNumber);
  }
}

void Column::add_text(std::string_view value) {
  if (codes.empty() || codes.back() < 0 || words[static_cast<size_t>(codes.back())] != value) {
    words.emplace_back(value);
    codes.push_back(static_cast<int32_t>(words.size() - 1));
  } else {
    codes.push_back(codes.back());
  }
}

Column number_column(std::string name, std::vector<double> values) {
  Column column{std::move(name), v1::NUMBER};
  column.numbers = std::move(values);
  return column;
}

Column bool_column(std::string name, std::vector<double> values) {
  Column column{std::move(name), v1::BOOL};
  column.numbers = std::move(values);
  return column;
}

Column time_column(std::string name, std::vector<int64_t> micros) {
  Column column{std::move(name), v1::TIMESTAMP};
  column.times = std::move(micros);
  return column;
}

Column text_column(std::string name, std::span<const std::string> values) {
  Column column{std::move(name), v1::TEXT};
  column.codes.reserve(values.size());
  std::unordered_map<std::string_view, int32_t> known;
  for (const std::string& value : values) {
    const auto [found, fresh] = known.try_emplace(value, static_cast<int32_t>(column.words.size()));
    if (fresh) column.words.push_back(value);
    column.codes.push_back(found->second);
  }
  return column;
}

Column bytes_column(std::string name, std::vector<std::string> values) {
  Column column{std::move(name), v1::BYTES};
  column.reserve(values.size());
  for (std::string& value : values) column.add_blob(std::move(value));
  return column;
}

Column tokens_column(std::string name, std::vector<std::vector<int32_t>> values) {
  Column column{std::move(name), v1::TOKENS};
  column.reserve(values.size());
  for (std::vector<int32_t>& value : values) column.add_list(std::move(value));
  return column;
}

const Column* Table::find(std::string_view name) const {
  for (const Column& column : columns)
    if (column.name == name) return &column;
  return nullptr;
}

Column* Table::find(std::string_view name) {
  for (Column& column : columns)
    if (column.name == name) return &column;
  return nullptr;
}

Result<const Column*> Table::get(std::string_view name, v1::ColumnType type) const {
  const Column* column = find(name);
  if (!column) {
    std::string names;
    for (const Column& other : columns) names += (names.empty() ? "" : ", ") + other.name;
    return invalid_argument(
        fmt::format("column '{}' is missing; the rows have: {}", name, names.empty() ? "none" : names));
  }
  if (column->type != type)
    return invalid_argument(fmt::format("column '{}' holds {} values; {} is needed", name,
                                        type_word(column->type), type_word(type)));
  return column;
}

Column& Table::add(Column column) {
  CHECK(find(column.name) == nullptr, "column names are unique");
  CHECK(columns.empty() || column.rows() == rows(), "columns have equal rows");
  return columns.emplace_back(std::move(column));
}

namespace {

Status check_values(const Column& column) {
  for (size_t row = 0; row < column.blobs.size(); ++row)
    if (column.blobs[row] && column.blobs[row]->size() > kBlobBytesMax)
      return invalid_argument(fmt::format("column '{}', row {}: {} bytes; at most {} are taken", column.name,
                                          row, column.blobs[row]->size(), kBlobBytesMax));
  for (size_t row = 0; row < column.lists.size(); ++row) {
    if (!column.lists[row]) continue;
    const std::vector<int32_t>& tokens = *column.lists[row];
    if (tokens.size() > kTokensMax)
      return invalid_argument(fmt::format("column '{}', row {}: {} tokens; at most {} are taken", column.name,
                                          row, tokens.size(), kTokensMax));
    if (std::any_of(tokens.begin(), tokens.end(), [](int32_t token) { return token < 0; }))
      return invalid_argument(
          fmt::format("column '{}', row {}: a token below 0; tokens are numbers from 0", column.name, row));
  }
  return ok_status();
}

}  // namespace

Status check_table(const Table& table) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (column.name.empty()) return invalid_argument(fmt::format("column {} has no name", i + 1));
    if (table.find(column.name) != &column)
      return invalid_argument(fmt::format("two columns are named '{}'", column.name));
    if (column.rows() != table.rows())
      return invalid_argument(fmt::format("column '{}' has {} rows, '{}' has {}", column.name, column.rows(),
                                          table.columns.front().name, table.rows()));
    if (column.type == v1::COLUMN_TYPE_UNSPECIFIED)
      return invalid_argument(fmt::format("column '{}' has no type", column.name));
    const auto words = static_cast<int64_t>(column.words.size());
    for (int32_t code : column.codes)
      if (code >= words || code < kMissingText)
        return invalid_argument(fmt::format("column '{}' has a code outside its words", column.name));
    TRY_STATUS(check_values(column));
  }
  return ok_status();
}

namespace {

template <typename T>
std::vector<T> take_values(const std::vector<T>& from, std::span<const uint32_t> rows) {
  std::vector<T> out(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) out[i] = from[rows[i]];
  return out;
}

}  // namespace

Column take(const Column& column, std::span<const uint32_t> rows) {
  Column out{column.name, column.type};
  switch (column.type) {
    case v1::TIMESTAMP:
      out.times = take_values(column.times, rows);
      break;
    case v1::TEXT:
      out.codes = take_values(column.codes, rows);
      out.words = column.words;
      break;
    case v1::BYTES:
      out.blobs = take_values(column.blobs, rows);
      break;
    case v1::TOKENS:
      out.lists = take_values(column.lists, rows);
      break;
    default:
      out.numbers = take_values(column.numbers, rows);
  }
  return out;
}

Table take(const Table& table, std::span<const uint32_t> rows) {
  Table out;
  out.columns.reserve(table.columns.size());
  for (const Column& column : table.columns) out.columns.push_back(take(column, rows));
  return out;
}

namespace {

Status check_same_columns(const Table& table, const Table& more) {
  if (table.columns.size() != more.columns.size())
    return invalid_argument(fmt::format("tables of {} and {} columns cannot be joined end to end",
                                        table.columns.size(), more.columns.size()));
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& to = table.columns[i];
    const Column& from = more.columns[i];
    if (to.name != from.name || to.type != from.type)
      return invalid_argument(fmt::format("column {} is {} '{}' in one part and {} '{}' in another", i + 1,
                                          type_word(to.type), to.name, type_word(from.type), from.name));
  }
  return ok_status();
}

// Column `at` of all parts: equal words get one code.
void append_texts(Column& to, std::span<const Table> parts, size_t at) {
  size_t words = to.words.size();
  for (const Table& part : parts) words += part.columns[at].words.size();
  to.words.reserve(words);  // the views below stay valid
  std::unordered_map<std::string_view, int32_t> known;
  for (size_t w = 0; w < to.words.size(); ++w) known.try_emplace(to.words[w], static_cast<int32_t>(w));
  for (const Table& part : parts) {
    const Column& from = part.columns[at];
    std::vector<int32_t> code_of(from.words.size());
    for (size_t w = 0; w < from.words.size(); ++w) {
      const auto found = known.find(from.words[w]);
      code_of[w] = found == known.end() ? static_cast<int32_t>(to.words.size()) : found->second;
      if (found != known.end()) continue;
      to.words.push_back(from.words[w]);
      known.emplace(to.words.back(), code_of[w]);
    }
    for (int32_t code : from.codes)
      to.codes.push_back(code < 0 ? kMissingText : code_of[static_cast<size_t>(code)]);
  }
}

}  // namespace

Status append(Table& table, std::span<const Table> parts) {
  for (const Table& part : parts) TRY_STATUS(check_same_columns(table, part));
  size_t rows = table.rows();
  for (const Table& part : parts) rows += part.rows();
  for (size_t i = 0; i < table.columns.size(); ++i) {
    Column& to = table.columns[i];
    to.reserve(rows);
    if (to.type == v1::TEXT) append_texts(to, parts, i);
    for (const Table& part : parts) {
      const Column& from = part.columns[i];
      to.numbers.insert(to.numbers.end(), from.numbers.begin(), from.numbers.end());
      to.times.insert(to.times.end(), from.times.begin(), from.times.end());
      to.blobs.insert(to.blobs.end(), from.blobs.begin(), from.blobs.end());
      to.lists.insert(to.lists.end(), from.lists.begin(), from.lists.end());
    }
  }
  return ok_status();
}

Status append(Table& table, const Table& more) {
  return append(table, std::span(&more, 1));
}

bool same_cells(const Table& a, const Table& b) {
  if (a.columns.size() != b.columns.size() || a.rows() != b.rows()) return false;
  for (size_t c = 0; c < a.columns.size(); ++c) {
    const Column& left = a.columns[c];
    const Column& right = b.columns[c];
    if (left.name != right.name || left.type != right.type) return false;
    for (size_t row = 0; row < a.rows(); ++row) {
      if (left.missing(row) != right.missing(row)) return false;
      if (left.missing(row)) continue;
      const bool same = left.type == v1::TEXT        ? left.text(row) == right.text(row)
                        : left.type == v1::TIMESTAMP ? left.times[row] == right.times[row]
                        : left.type == v1::BYTES     ? *left.blobs[row] == *right.blobs[row]
                        : left.type == v1::TOKENS    ? *left.lists[row] == *right.lists[row]
                                                     : left.numbers[row] == right.numbers[row];
      if (!same) return false;
    }
  }
  return true;
}

std::string_view type_word(v1::ColumnType type) {
  switch (type) {
    case v1::NUMBER:
      return "number";
    case v1::TEXT:
      return "text";
    case v1::TIMESTAMP:
      return "timestamp";
    case v1::BOOL:
      return "bool";
    case v1::BYTES:
      return "bytes";
    case v1::TOKENS:
      return "tokens";
    default:
      return "untyped";
  }
}

}  // namespace rekindle::dataio
