// Every failure of the library is data_loss naming the file: what is read here was written by us or
// imported through us, so bytes that it cannot read are damaged.
#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "dataio/parquet.h"

namespace rekindle::dataio {
namespace {

Status damaged(std::string_view name, std::string_view why) {
  return data_loss(
      fmt::format("{} is not readable as Parquet: {}; import or settle its rows again", name, why));
}

v1::ColumnType column_type(const arrow::DataType& type) {
  switch (type.id()) {
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

Result<Column> to_column(const arrow::ChunkedArray& chunks, const std::string& name, std::string_view file) {
  Column column{name, column_type(*chunks.type())};
  column.reserve(static_cast<size_t>(chunks.length()));
  Words words(column);
  for (const auto& chunk : chunks.chunks()) {
    const arrow::Status valid = chunk->Validate();
    if (!valid.ok()) return damaged(file, fmt::format("column '{}': {}", name, valid.ToString()));
    if (column.type == v1::TIMESTAMP)
      add_time_chunk(*chunk, column);
    else if (column.type == v1::TEXT) {
      const Status status = add_text_chunk(*chunk, words, column);
      if (!status.ok()) return damaged(file, fmt::format("column '{}': {}", name, status.message()));
    } else
      add_number_chunk(*chunk, column);
  }
  return column;
}

struct OpenedFile {
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::shared_ptr<arrow::Schema> schema;  // as stored: texts are not dictionaries here
  ParquetInfo info;
};

arrow::Result<OpenedFile> open(std::string_view bytes) {
  const auto buffer = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                      static_cast<int64_t>(bytes.size()));
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(true);
  auto file = parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(buffer), properties);
  const auto metadata = file->metadata();
  OpenedFile out;
  parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
  ARROW_RETURN_NOT_OK(parquet::arrow::FromParquetSchema(metadata->schema(), arrow_properties,
                                                        metadata->key_value_metadata(), &out.schema));
  if (out.schema->num_fields() != metadata->schema()->num_columns())
    return arrow::Status::NotImplemented("it holds nested columns");
  // Texts come back as codes into a dictionary, which is what a Table holds.
  for (int i = 0; i < out.schema->num_fields(); ++i) {
    const auto& field = out.schema->field(i);
    v1::Column& column = out.info.columns.emplace_back();
    column.set_name(field->name());
    column.set_type(column_type(*field->type()));
    if (column.type() == v1::TEXT) arrow_properties.set_read_dictionary(i, true);
  }
  for (int i = 0; i < metadata->num_row_groups(); ++i) {
    const int64_t rows = metadata->RowGroup(i)->num_rows();
    if (rows < 0) return arrow::Status::Invalid("a row group has a negative number of rows");
    out.info.row_groups.push_back(static_cast<uint64_t>(rows));
  }
  ARROW_ASSIGN_OR_RAISE(out.reader, parquet::arrow::FileReader::Make(arrow::default_memory_pool(),
                                                                     std::move(file), arrow_properties));
  return out;
}

struct Choice {
  std::vector<WantedColumn> wanted;
  std::vector<int> field_of;  // per wanted column, -1: absent
};

Result<Choice> choose(const ParquetInfo& info, std::string_view name, std::span<const WantedColumn> wanted) {
  Choice choice;
  choice.wanted.assign(wanted.begin(), wanted.end());
  if (wanted.empty())
    for (const v1::Column& column : info.columns) choice.wanted.push_back({column.name()});
  for (const WantedColumn& want : choice.wanted) {
    const auto found = std::find_if(info.columns.begin(), info.columns.end(),
                                    [&](const v1::Column& column) { return column.name() == want.name; });
    choice.field_of.push_back(found == info.columns.end() ? -1
                                                          : static_cast<int>(found - info.columns.begin()));
    if (found == info.columns.end()) {
      if (want.optional) continue;
      std::string names;
      for (const v1::Column& column : info.columns) names += (names.empty() ? "" : ", ") + column.name();
      return not_found(fmt::format("{} has no column '{}'; it has: {}", name, want.name, names));
    }
    if (found->type() == v1::COLUMN_TYPE_UNSPECIFIED)
      return invalid_argument(fmt::format(
          "column '{}' of {} has a type that is not number, text, timestamp or bool", want.name, name));
    if (want.type != v1::COLUMN_TYPE_UNSPECIFIED && want.type != found->type())
      return invalid_argument(
          fmt::format("column '{}' of {} holds {} values; {} is needed: import it with that type", want.name,
                      name, type_word(found->type()), type_word(want.type)));
  }
  return choice;
}

Result<Table> read(std::string_view bytes, std::string_view name, std::span<const WantedColumn> wanted,
                   std::span<const uint32_t> row_groups) {
  arrow::Result<OpenedFile> opened = open(bytes);
  if (!opened.ok()) return damaged(name, opened.status().ToString());
  const Choice choice = TRY(choose(opened->info, name, wanted));
  std::vector<int> groups(row_groups.begin(), row_groups.end());
  if (groups.empty()) {
    groups.resize(opened->info.row_groups.size());
    std::iota(groups.begin(), groups.end(), 0);
  }
  uint64_t rows = 0;
  for (int group : groups) {
    if (group < 0 || static_cast<size_t>(group) >= opened->info.row_groups.size())
      return damaged(name, fmt::format("it has {} row groups, the snapshot names number {}",
                                       opened->info.row_groups.size(), group));
    rows += opened->info.row_groups[static_cast<size_t>(group)];
  }
  std::vector<int> fields;
  for (int field : choice.field_of)
    if (field >= 0) fields.push_back(field);
  std::sort(fields.begin(), fields.end());
  fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
  const auto read = opened->reader->ReadRowGroups(groups, fields);
  if (!read.ok()) return damaged(name, read.status().ToString());

  Table table;
  for (size_t i = 0; i < choice.wanted.size(); ++i) {
    if (choice.field_of[i] < 0) {
      Column column{choice.wanted[i].name, choice.wanted[i].type};
      for (uint64_t row = 0; row < rows; ++row) column.add_missing();
      table.columns.push_back(std::move(column));
      continue;
    }
    const auto at = std::lower_bound(fields.begin(), fields.end(), choice.field_of[i]) - fields.begin();
    table.columns.push_back(
        TRY(to_column(*(*read)->column(static_cast<int>(at)), choice.wanted[i].name, name)));
    if (table.columns.back().rows() != rows)
      return damaged(name, fmt::format("column '{}' has {} rows instead of {}", choice.wanted[i].name,
                                       table.columns.back().rows(), rows));
  }
  return table;
}

}  // namespace

Result<ParquetInfo> inspect_parquet(std::string_view bytes, std::string_view name) {
  try {
    arrow::Result<OpenedFile> opened = open(bytes);
    if (!opened.ok()) return damaged(name, opened.status().ToString());
    return std::move(opened->info);
  } catch (const std::exception& error) {
    return damaged(name, error.what());
  }
}

Result<Table> read_parquet(std::string_view bytes, std::string_view name,
                           std::span<const WantedColumn> wanted, std::span<const uint32_t> row_groups) {
  try {
    return read(bytes, name, wanted, row_groups);
  } catch (const std::exception& error) {
    return damaged(name, error.what());
  }
}

}  // namespace rekindle::dataio
