#include "dataio/importing/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataio/csv/source.h"
#include "dataio/csv/typed.h"
#include "dataio/importing/shards.h"
#include "dataio/parquet.h"

namespace rekindle::dataio {
namespace {

constexpr std::string_view kParquetMagic = "PAR1";

Result<SourceTable> load_parquet(const std::string& name, std::string_view bytes, const v1::SourceFile& spec,
                                 std::span<const std::string> wanted) {
  SourceTable out;
  out.name = name;
  out.where = [name](size_t row) { return fmt::format("{}, row {}", name, row); };
  const ParquetInfo info = TRY(inspect_parquet(bytes, name));
  for (const v1::Column& column : info.columns) out.header.push_back(column.name());
  TRY_STATUS(check_types(spec, name, out.header));
  std::vector<WantedColumn> columns;
  for (const std::string& column : wanted) {
    if (std::any_of(columns.begin(), columns.end(), [&](const auto& c) { return c.name == column; }))
      continue;
    columns.push_back({column, type_given(spec, column)});
  }
  out.table = TRY(read_parquet(bytes, name, columns));
  return out;
}

}  // namespace

v1::ColumnType type_given(const v1::SourceFile& spec, const std::string& column) {
  const auto given = spec.types().find(column);
  return given == spec.types().end() ? v1::COLUMN_TYPE_UNSPECIFIED : given->second;
}

Status check_types(const v1::SourceFile& spec, const std::string& name, std::span<const std::string> header) {
  for (const auto& [column, type] : spec.types())
    if (std::find(header.begin(), header.end(), column) == header.end())
      return not_found(fmt::format("{} has no column '{}', which `types` gives a type", name, column));
  return ok_status();
}

const std::string& source_label(const v1::SourceFile& spec) {
  return spec.shards().empty() ? spec.file() : spec.shards();
}

Result<SourceTable> load_source(const v1::SourceFile& spec, const std::filesystem::path& folder,
                                std::span<const std::string> wanted) {
  if (!spec.shards().empty()) return load_shards(spec, folder, wanted);
  std::string bytes = TRY(read_source_bytes(folder, spec.file()));
  if (bytes.starts_with(kParquetMagic)) return load_parquet(spec.file(), bytes, spec, wanted);
  return load_csv(TRY(source_text(spec.file(), std::move(bytes))), spec, wanted);
}

}  // namespace rekindle::dataio
