// Dataset snapshots: immutable lists of Parquet row groups in the artifact store.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/labels.h"
#include "dataio/parquet.h"
#include "dataio/table.h"

namespace rekindle::dataio {

// "flights", "flights@2013-01" or "flights@2013-01..2013-03" (both ends included, compared as text).
struct DatasetRef {
  std::string dataset;
  std::string first;  // empty: all snapshots
  std::string last;   // equal to first when one is named
};
Result<DatasetRef> parse_dataset_ref(std::string_view text);

// The snapshots that the reference names, by name. not_found lists what there is.
Result<std::vector<v1::DatasetSnapshot>> select_snapshots(std::string_view reference,
                                                          std::span<const v1::DatasetSnapshot> available);

// Rows with a time column value in [from_us, until_us), sorted by it; rows of equal time keep the order
// of the snapshots and of their files. The result holds the time column, then `columns` (each once),
// then those of `optional` (columns that only some snapshots have: missing where they are absent; left
// out when no snapshot has them). All snapshots must agree on the time column and on types; the column of
// `label`, which may be texts in one and numbers in another, comes as its numbers (LabelRule::read).
// not_found: missing column, naming the snapshots that lack it; data_loss: damaged blob.
Result<Table> read_rows(const artifacts::Store& store, std::span<const v1::DatasetSnapshot> snapshots,
                        std::span<const std::string> columns, int64_t from_us, int64_t until_us,
                        std::span<const std::string> optional = {}, const LabelRule* label = nullptr);

// Stores the table as one Parquet blob and describes it. The rows must be sorted by `time_column` and all
// have one. created_us stays 0: who registers the snapshot sets it.
Result<v1::DatasetSnapshot> make_snapshot(artifacts::Store& store, std::string dataset, std::string name,
                                          const Table& table, std::string_view time_column,
                                          std::string source);

// Equal but for created_us and source: registering it again changes nothing.
bool same_content(const v1::DatasetSnapshot& a, const v1::DatasetSnapshot& b);

}  // namespace rekindle::dataio
