#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "dataio/parquet.h"

namespace rekindle::dataio {
namespace {

Status from_arrow(const arrow::Status& status, std::string_view doing) {
  return internal_error(fmt::format("{}: {}", doing, status.ToString()));
}

std::shared_ptr<arrow::DataType> arrow_type(v1::ColumnType type) {
  switch (type) {
    case v1::TIMESTAMP:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case v1::TEXT:
      return arrow::utf8();
    case v1::BOOL:
      return arrow::boolean();
    case v1::BYTES:
      return arrow::large_binary();  // a column may hold more than 2 GiB
    case v1::TOKENS:
      return arrow::list(arrow::field("element", arrow::int32(), /*nullable=*/false));
    default:
      return arrow::float64();
  }
}

template <typename Builder, typename Append>
arrow::Result<std::shared_ptr<arrow::Array>> build(Builder builder, const Column& column,
                                                   Append append_value) {
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(column.rows())));
  for (size_t row = 0; row < column.rows(); ++row)
    ARROW_RETURN_NOT_OK(column.missing(row) ? builder.AppendNull() : append_value(builder, row));
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> build_lists(const Column& column) {
  const auto values = std::make_shared<arrow::Int32Builder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), values, arrow_type(column.type));
  for (const TokenRow& row : column.lists) {
    ARROW_RETURN_NOT_OK(row ? lists.Append() : lists.AppendNull());
    if (row) ARROW_RETURN_NOT_OK(values->AppendValues(*row));
  }
  return lists.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> to_array(const Column& column) {
  switch (column.type) {
    case v1::TIMESTAMP:
      return build(arrow::TimestampBuilder(arrow_type(column.type), arrow::default_memory_pool()), column,
                   [&](auto& to, size_t row) { return to.Append(column.times[row]); });
    case v1::TEXT:
      return build(arrow::StringBuilder(), column,
                   [&](auto& to, size_t row) { return to.Append(column.text(row)); });
    case v1::BOOL:
      return build(arrow::BooleanBuilder(), column,
                   [&](auto& to, size_t row) { return to.Append(column.numbers[row] != 0); });
    case v1::BYTES:
      return build(arrow::LargeBinaryBuilder(), column,
                   [&](auto& to, size_t row) { return to.Append(*column.blobs[row]); });
    case v1::TOKENS:
      return build_lists(column);
    default:
      return build(arrow::DoubleBuilder(), column,
                   [&](auto& to, size_t row) { return to.Append(column.numbers[row]); });
  }
}

arrow::Result<std::string> write(const Table& table) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const Column& column : table.columns) {
    fields.push_back(arrow::field(column.name, arrow_type(column.type)));
    ARROW_ASSIGN_OR_RAISE(auto array, to_array(column));
    arrays.push_back(std::move(array));
  }
  const auto rows = arrow::Table::Make(arrow::schema(fields), arrays, static_cast<int64_t>(table.rows()));
  // A fixed creator, so that a newer library does not change the bytes of unchanged data by its name alone.
  parquet::WriterProperties::Builder builder;
  builder.created_by("rekindle")
      ->compression(parquet::Compression::ZSTD)
      ->max_row_group_length(kRowGroupRows)
      ->enable_page_checksum();
  // Images are compressed already and never equal: a dictionary or their least and greatest say nothing.
  for (const Column& column : table.columns)
    if (column.type == v1::BYTES)
      builder.compression(column.name, parquet::Compression::UNCOMPRESSED)
          ->disable_dictionary(column.name)
          ->disable_statistics(column.name);
  const auto properties = builder.build();
  const auto arrow_properties = parquet::ArrowWriterProperties::Builder().set_use_threads(false)->build();
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create());
  ARROW_RETURN_NOT_OK(parquet::arrow::WriteTable(*rows, arrow::default_memory_pool(), sink, kRowGroupRows,
                                                 properties, arrow_properties));
  ARROW_ASSIGN_OR_RAISE(auto buffer, sink->Finish());
  return buffer->ToString();
}

}  // namespace

Result<std::string> write_parquet(const Table& table) {
  if (table.columns.empty()) return invalid_argument("a table without columns cannot be written as Parquet");
  TRY_STATUS(check_table(table));
  try {
    arrow::Result<std::string> bytes = write(table);
    if (!bytes.ok()) return from_arrow(bytes.status(), "writing Parquet");
    return std::move(bytes).ValueUnsafe();
  } catch (const std::exception& error) {
    return internal_error(fmt::format("writing Parquet: {}", error.what()));
  }
}

}  // namespace rekindle::dataio
