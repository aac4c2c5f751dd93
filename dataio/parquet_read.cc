// Every failure of the library is data_loss naming the file: what is read here was written by us or
// imported through us, so bytes that it cannot read are damaged.
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <numeric>

#include "dataio/parquet.h"
#include "dataio/parquet_columns.h"

namespace rekindle::dataio {
namespace {

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
      return invalid_argument(
          fmt::format("column '{}' of {} has a type that is not number, text, timestamp, bool, bytes or a "
                      "list of whole numbers",
                      want.name, name));
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
