// Tables to and from Parquet bytes. Parquet's library is seen only by parquet_*.cc.
//
// Equal tables give equal bytes: single-threaded, zstd, row groups of at most kRowGroupRows rows.
// Damaged bytes give data_loss, never a crash.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"

namespace rekindle::dataio {

inline constexpr uint32_t kRowGroupRows = 65536;

struct ParquetInfo {
  std::vector<v1::Column> columns;
  std::vector<uint64_t> row_groups;  // rows of each
};

Result<std::string> write_parquet(const Table& table);

// `name` is what messages call the file.
Result<ParquetInfo> inspect_parquet(std::string_view bytes, std::string_view name);

struct WantedColumn {
  std::string name;
  v1::ColumnType type = v1::COLUMN_TYPE_UNSPECIFIED;  // unspecified: whatever the file holds
  bool optional = false;                              // absent from the file: all missing, type must be given
};

// The named columns in this order; no names: all. No row groups: all, in order.
Result<Table> read_parquet(std::string_view bytes, std::string_view name,
                           std::span<const WantedColumn> wanted = {},
                           std::span<const uint32_t> row_groups = {});

}  // namespace rekindle::dataio
