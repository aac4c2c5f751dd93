#include "cli/rows/permute.h"

#include <fmt/format.h>

#include "dataio/order.h"
#include "dataio/snapshot.h"
#include "dataio/table.h"

namespace rekindle::cli {
namespace {

Result<dataio::Table> all_rows(const std::vector<v1::DatasetSnapshot>& snapshots,
                               const artifacts::Store& store) {
  dataio::Table all;
  for (const v1::DatasetSnapshot& snapshot : snapshots) {
    std::vector<std::string> columns;
    for (const v1::Column& column : snapshot.columns())
      if (column.name() != snapshot.time_column()) columns.push_back(column.name());
    dataio::Table rows = TRY(dataio::read_rows(store, {&snapshot, 1}, columns, snapshot.first_time_us(),
                                               snapshot.last_time_us() + 1));
    if (all.columns.empty())
      all = std::move(rows);
    else
      TRY_STATUS(dataio::append(all, rows));
  }
  return all;
}

}  // namespace

Result<std::vector<v1::DatasetSnapshot>> permute_times(const std::vector<v1::DatasetSnapshot>& snapshots,
                                                       uint64_t seed, artifacts::Store& store) {
  if (snapshots.empty()) return invalid_argument("there are no snapshots to permute");
  const std::string& time_column = snapshots.front().time_column();
  const dataio::Table all = TRY(all_rows(snapshots, store));
  std::vector<uint32_t> drawn;
  for (const int64_t row : dataio::permutation(all.rows(), seed, 0))
    drawn.push_back(static_cast<uint32_t>(row));
  std::vector<v1::DatasetSnapshot> out;
  uint32_t begin = 0;
  for (const v1::DatasetSnapshot& snapshot : snapshots) {
    const uint32_t end = begin + static_cast<uint32_t>(snapshot.rows());
    std::vector<uint32_t> own(end - begin);
    for (uint32_t i = begin; i < end; ++i) own[i - begin] = i;
    dataio::Table rows;
    // In the order of the original snapshot, so that a permuted one differs in nothing else.
    for (const v1::Column& column : snapshot.columns()) {
      const dataio::Column* from = all.find(column.name());
      if (from == nullptr)
        return failed_precondition(
            fmt::format("snapshot {} alone has a column '{}'", snapshot.name(), column.name()));
      rows.add(dataio::take(*from, column.name() == time_column
                                       ? std::span<const uint32_t>(own)
                                       : std::span<const uint32_t>(drawn).subspan(begin, end - begin)));
    }
    out.push_back(
        TRY(dataio::make_snapshot(store, snapshot.dataset(), snapshot.name(), rows, time_column,
                                  fmt::format("{}, times permuted with seed {}", snapshot.source(), seed))));
    begin = end;
  }
  return out;
}

}  // namespace rekindle::cli
