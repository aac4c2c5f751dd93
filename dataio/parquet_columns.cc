#include "dataio/parquet_columns.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <fmt/format.h>

#include <limits>
#include <unordered_map>

namespace rekindle::dataio {
namespace {

template <typename ArrayType>
void add_numbers(const arrow::Array& chunk, Column& to) {
  const auto& array = static_cast<const ArrayType&>(chunk);
  for (int64_t row = 0; row < array.length(); ++row)
    to.numbers.push_back(array.IsNull(row) ? kMissingNumber : static_cast<double>(array.Value(row)));
}

void add_number_chunk(const arrow::Array& chunk, Column& to) {
  switch (chunk.type_id()) {
    case arrow::Type::BOOL:
      return add_numbers<arrow::BooleanArray>(chunk, to);
    case arrow::Type::FLOAT:
      return add_numbers<arrow::FloatArray>(chunk, to);
    case arrow::Type::DOUBLE:
      return add_numbers<arrow::DoubleArray>(chunk, to);
    case arrow::Type::INT8:
      return add_numbers<arrow::Int8Array>(chunk, to);
    case arrow::Type::INT16:
      return add_numbers<arrow::Int16Array>(chunk, to);
    case arrow::Type::INT32:
      return add_numbers<arrow::Int32Array>(chunk, to);
    case arrow::Type::INT64:
      return add_numbers<arrow::Int64Array>(chunk, to);
    case arrow::Type::UINT8:
      return add_numbers<arrow::UInt8Array>(chunk, to);
    case arrow::Type::UINT16:
      return add_numbers<arrow::UInt16Array>(chunk, to);
    case arrow::Type::UINT32:
      return add_numbers<arrow::UInt32Array>(chunk, to);
    case arrow::Type::UINT64:
      return add_numbers<arrow::UInt64Array>(chunk, to);
    default:
      CHECK(false, "column_type() says that this is a number");
  }
}

void add_time_chunk(const arrow::Array& chunk, Column& to) {
  const auto& array = static_cast<const arrow::TimestampArray&>(chunk);
  const auto unit = static_cast<const arrow::TimestampType&>(*array.type()).unit();
  for (int64_t row = 0; row < array.length(); ++row) {
    int64_t micros = kMissingTime;
    // A time that does not fit into microseconds counts as missing.
    if (!array.IsNull(row)) {
      const int64_t value = array.Value(row);
      if (unit == arrow::TimeUnit::NANO)
        micros = value / 1000 - (value % 1000 < 0 ? 1 : 0);
      else if (unit == arrow::TimeUnit::MICRO)
        micros = value;
      else if (__builtin_mul_overflow(value, unit == arrow::TimeUnit::MILLI ? 1000 : 1000000, &micros))
        micros = kMissingTime;
    }
    to.times.push_back(micros);
  }
}

// Gives equal words of all chunks one code.
class Words {
 public:
  explicit Words(Column& to) : to_(to) {}

  int32_t code(std::string_view word) {
    const auto found = known_.find(word);
    if (found != known_.end()) return found->second;
    const auto fresh = static_cast<int32_t>(to_.words.size());
    to_.words.emplace_back(word);
    known_.emplace(to_.words.back(), fresh);
    return fresh;
  }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  Column& to_;
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> known_;
};

template <typename Strings>
void add_strings(const arrow::Array& chunk, Words& words, Column& to) {
  const auto& array = static_cast<const Strings&>(chunk);
  for (int64_t row = 0; row < array.length(); ++row)
    to.codes.push_back(array.IsNull(row) ? kMissingText : words.code(array.GetView(row)));
}

Status add_text_chunk(const arrow::Array& chunk, Words& words, Column& to) {
  if (chunk.type_id() == arrow::Type::STRING) {
    add_strings<arrow::StringArray>(chunk, words, to);
    return ok_status();
  }
  if (chunk.type_id() == arrow::Type::LARGE_STRING) {
    add_strings<arrow::LargeStringArray>(chunk, words, to);
    return ok_status();
  }
  const auto& array = static_cast<const arrow::DictionaryArray&>(chunk);
  Column dictionary{"", v1::TEXT};
  TRY_STATUS(add_text_chunk(*array.dictionary(), words, dictionary));
  // add_text_chunk gave each dictionary entry the code that it has in `to`.
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) {
      to.codes.push_back(kMissingText);
      continue;
    }
    const int64_t index = array.GetValueIndex(row);
    if (index < 0 || index >= static_cast<int64_t>(dictionary.codes.size()))
      return data_loss("a dictionary index is out of range");
    to.codes.push_back(dictionary.codes[static_cast<size_t>(index)]);
  }
  return ok_status();
}

Status wrong_value(const Column& to, std::string_view what) {
  return invalid_argument(fmt::format("column '{}', row {}: {}", to.name, to.rows(), what));
}

template <typename Binary>
Status add_blobs(const arrow::Array& chunk, Column& to) {
  const auto& array = static_cast<const Binary&>(chunk);
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) {
      to.add_missing();
      continue;
    }
    const std::string_view bytes = array.GetView(row);
    if (bytes.size() > kBlobBytesMax)
      return wrong_value(to, fmt::format("{} bytes; at most {} are taken", bytes.size(), kBlobBytesMax));
    to.add_blob(std::string(bytes));
  }
  return ok_status();
}

Status add_blob_chunk(const arrow::Array& chunk, Column& to) {
  switch (chunk.type_id()) {
    case arrow::Type::BINARY:
      return add_blobs<arrow::BinaryArray>(chunk, to);
    case arrow::Type::LARGE_BINARY:
      return add_blobs<arrow::LargeBinaryArray>(chunk, to);
    default:
      return add_blobs<arrow::FixedSizeBinaryArray>(chunk, to);
  }
}

template <typename List>
Status add_lists(const arrow::Array& chunk, Column& to) {
  const auto& array = static_cast<const List&>(chunk);
  Column values{to.name, v1::NUMBER};
  add_number_chunk(*array.values(), values);
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) {
      to.add_missing();
      continue;
    }
    const auto begin = static_cast<size_t>(array.value_offset(row));
    const auto size = static_cast<size_t>(array.value_length(row));
    if (begin + size > values.numbers.size()) return data_loss("a list lies outside its values");
    if (size > kTokensMax)
      return wrong_value(to, fmt::format("{} tokens; at most {} are taken", size, kTokensMax));
    std::vector<int32_t> tokens(size);
    for (size_t i = 0; i < size; ++i) {
      const double value = values.numbers[begin + i];
      if (!(value >= 0 && value <= std::numeric_limits<int32_t>::max()))
        return wrong_value(to, fmt::format("{} is no token; tokens are whole numbers from 0 to 2147483647",
                                           std::isnan(value) ? "a null" : fmt::format("{}", value)));
      tokens[i] = static_cast<int32_t>(value);
    }
    to.add_list(std::move(tokens));
  }
  return ok_status();
}

Status add_list_chunk(const arrow::Array& chunk, Column& to) {
  switch (chunk.type_id()) {
    case arrow::Type::LIST:
      return add_lists<arrow::ListArray>(chunk, to);
    case arrow::Type::LARGE_LIST:
      return add_lists<arrow::LargeListArray>(chunk, to);
    default:
      return add_lists<arrow::FixedSizeListArray>(chunk, to);
  }
}

Status add_chunk(const arrow::Array& chunk, Words& words, Column& to) {
  switch (to.type) {
    case v1::TIMESTAMP:
      add_time_chunk(chunk, to);
      return ok_status();
    case v1::TEXT:
      return add_text_chunk(chunk, words, to);
    case v1::BYTES:
      return add_blob_chunk(chunk, to);
    case v1::TOKENS:
      return add_list_chunk(chunk, to);
    default:
      add_number_chunk(chunk, to);
      return ok_status();
  }
}

}  // namespace

Status damaged(std::string_view name, std::string_view why) {
  return data_loss(
      fmt::format("{} is not readable as Parquet: {}; import or settle its rows again", name, why));
}

v1::ColumnType column_type(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return v1::BYTES;
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      return arrow::is_integer(static_cast<const arrow::BaseListType&>(type).value_type()->id())
                 ? v1::TOKENS
                 : v1::COLUMN_TYPE_UNSPECIFIED;
    case arrow::Type::TIMESTAMP:
      return v1::TIMESTAMP;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      return v1::TEXT;
    case arrow::Type::DICTIONARY:
      return column_type(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::BOOL:
      return v1::BOOL;
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return v1::NUMBER;
    default:
      return v1::COLUMN_TYPE_UNSPECIFIED;
  }
}

Result<Column> to_column(const arrow::ChunkedArray& chunks, const std::string& name, std::string_view file) {
  Column column{name, column_type(*chunks.type())};
  column.reserve(static_cast<size_t>(chunks.length()));
  Words words(column);
  for (const auto& chunk : chunks.chunks()) {
    const arrow::Status valid = chunk->Validate();
    if (!valid.ok()) return damaged(file, fmt::format("column '{}': {}", name, valid.ToString()));
    const Status added = add_chunk(*chunk, words, column);
    if (added.code() == Code::kDataLoss)
      return damaged(file, fmt::format("column '{}': {}", name, added.message()));
    if (!added.ok()) return added.within(std::string(file));
  }
  return column;
}

}  // namespace rekindle::dataio
