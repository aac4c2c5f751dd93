// Table: rows as typed columns in memory. What the importer, the Parquet files, the trainer, the
// settled days and a serving request share. Plain buffers; no library's types.
//
// Cheap for one row as for a million: a handful of columns is searched linearly, texts are codes into
// the column's words, images and token lists are shared, never copied, when rows are taken or joined.
// Missing: NaN in numbers, kMissingTime in times, kMissingText in codes, nullptr in blobs and lists.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

inline constexpr int64_t kMissingTime = std::numeric_limits<int64_t>::min();
inline constexpr int32_t kMissingText = -1;
inline constexpr double kMissingNumber = std::numeric_limits<double>::quiet_NaN();

// Of one value: an image of more is no image of an event, a list of more no row. Held wherever such a
// value enters: imports, requests, settled rows.
inline constexpr size_t kBlobBytesMax = 16 << 20;
inline constexpr size_t kTokensMax = 1 << 16;

using Blob = std::shared_ptr<const std::string>;
using TokenRow = std::shared_ptr<const std::vector<int32_t>>;

struct Column {
  std::string name;
  v1::ColumnType type = v1::NUMBER;
  std::vector<double> numbers;     // NUMBER; BOOL as 0, 1 or NaN
  std::vector<int64_t> times;      // TIMESTAMP: microseconds, UTC
  std::vector<int32_t> codes;      // TEXT: index into words, or kMissingText
  std::vector<std::string> words;  // TEXT: may repeat and may hold words that no row uses
  std::vector<Blob> blobs;         // BYTES
  std::vector<TokenRow> lists;     // TOKENS: none below 0

  size_t rows() const;
  bool missing(size_t row) const;
  std::string_view text(size_t row) const;  // empty when missing
  void reserve(size_t rows);
  void add_number(double value) { numbers.push_back(value); }
  void add_time(int64_t micros) { times.push_back(micros); }
  void add_blob(std::string bytes) { blobs.push_back(std::make_shared<const std::string>(std::move(bytes))); }
  void add_list(std::vector<int32_t> tokens) {
    lists.push_back(std::make_shared<const std::vector<int32_t>>(std::move(tokens)));
  }
  void add_missing();
  // Reuses the word of the row before when it is equal; other repeats get a word of their own. For a
  // long column use TextBuilder.
  void add_text(std::string_view value);
};

Column number_column(std::string name, std::vector<double> values);
Column bool_column(std::string name, std::vector<double> values);
Column time_column(std::string name, std::vector<int64_t> micros);
Column text_column(std::string name, std::span<const std::string> values);  // words are unique
Column bytes_column(std::string name, std::vector<std::string> values);
Column tokens_column(std::string name, std::vector<std::vector<int32_t>> values);

struct Table {
  std::vector<Column> columns;

  size_t rows() const { return columns.empty() ? 0 : columns.front().rows(); }
  const Column* find(std::string_view name) const;  // nullptr when absent
  Column* find(std::string_view name);
  // The column of that name and type; the error names the column, what was found and what to do.
  Result<const Column*> get(std::string_view name, v1::ColumnType type) const;
  Column& add(Column column);  // name must be new, rows must agree
};

// Same name, type and rows for all columns, codes within words, blobs and lists within their limits and
// no token below 0: what readers and writers rely on.
Status check_table(const Table& table);

// Rows in the order of `rows`; words are shared as they are.
Column take(const Column& column, std::span<const uint32_t> rows);
Table take(const Table& table, std::span<const uint32_t> rows);
// Rows of `more` after those of `table`; columns must agree in name, type and order. Many parts are
// cheaper at once than one by one: words are looked up in one map.
Status append(Table& table, const Table& more);
Status append(Table& table, std::span<const Table> parts);
// Equal cell by cell: missing equals missing, words compare by their text.
bool same_cells(const Table& a, const Table& b);

std::string_view type_word(v1::ColumnType type);  // "number", "text", "timestamp", "bool", "bytes", "tokens"

}  // namespace rekindle::dataio
