#include "dataio/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/ids.h"
#include "dataio/importing/derive.h"
#include "dataio/importing/join.h"
#include "dataio/importing/source.h"
#include "dataio/snapshot.h"

namespace rekindle::dataio {
namespace {

void tell(const Progress& progress, const std::string& line) {
  if (progress) progress(line);
}

// Columns that the file of rows must have: everything that is named and made by no join or derivation.
std::vector<std::string> columns_of_rows(const v1::ImportSpec& spec) {
  std::set<std::string> made;
  std::vector<std::string> needed;
  const auto need = [&](const std::string& name) {
    if (!made.contains(name)) needed.push_back(name);
  };
  for (const v1::Join& join : spec.join()) {
    for (const std::string& name : join.on()) need(name);
    if (!join.hour().empty()) need(join.hour());
    made.insert(join.take().begin(), join.take().end());
  }
  for (const v1::Derive& derive : spec.derive()) {
    for (const std::string& name : derive_inputs(derive)) need(name);
    made.insert(derive.column());
  }
  for (const std::string& name : spec.keep()) need(name);
  for (const std::string& name : spec.snapshot_by()) need(name);
  return needed;
}

Status check_spec(const v1::ImportSpec& spec) {
  TRY_STATUS(check_name("dataset", spec.dataset()));
  std::set<std::string> kept;
  for (const std::string& name : spec.keep())
    if (!kept.insert(name).second) return invalid_argument(fmt::format("keep names '{}' twice", name));
  if (!kept.contains(spec.time()))
    return invalid_argument(
        fmt::format("the time column '{}' must be among the columns of `keep`", spec.time()));
  return ok_status();
}

// A new column may not hide one of the file.
Status check_new(const SourceTable& rows, const std::string& name) {
  const bool in_file = std::find(rows.header.begin(), rows.header.end(), name) != rows.header.end();
  if (in_file || rows.table.find(name))
    return invalid_argument(
        fmt::format("the new column '{}' has the name of one that {} has already; name it otherwise", name,
                    in_file ? rows.name : "the dataset"));
  return ok_status();
}

Status join_file(SourceTable& rows, const v1::Join& join, const std::filesystem::path& folder,
                 const Progress& progress) {
  for (const std::string& name : join.take()) TRY_STATUS(check_new(rows, name));
  std::vector<std::string> wanted(join.on().begin(), join.on().end());
  if (!join.hour().empty()) wanted.push_back(join.hour());
  wanted.insert(wanted.end(), join.take().begin(), join.take().end());
  for (const std::string& name : join.take())
    if (std::count(wanted.begin(), wanted.end(), name) > 1)
      return invalid_argument(fmt::format("the join with {} takes '{}' twice, or takes what it joins on",
                                          source_label(join.source()), name));
  const SourceTable other = TRY(load_source(join.source(), folder, wanted));
  tell(progress, fmt::format("{}: {} rows", other.name, other.table.rows()));
  const uint64_t matches = TRY(left_join(rows, other, join));
  tell(progress, fmt::format("{}: {} of {} rows found their match", other.name, matches, rows.table.rows()));
  return ok_status();
}

Result<SourceTable> load_rows(const v1::ImportSpec& spec, const std::filesystem::path& folder,
                              const Progress& progress) {
  TRY_STATUS(check_spec(spec));
  SourceTable rows = TRY(load_source(spec.rows(), folder, columns_of_rows(spec)));
  if (rows.table.rows() == 0) return invalid_argument(fmt::format("{} has no rows", rows.name));
  tell(progress, fmt::format("{}: {} rows", rows.name, rows.table.rows()));
  for (const v1::Join& join : spec.join()) TRY_STATUS(join_file(rows, join, folder, progress));
  for (const v1::Derive& derive : spec.derive()) {
    TRY_STATUS(check_new(rows, derive.column()));
    TRY_STATUS(add_derived(rows, derive));
  }
  const Column* time = TRY(rows.table.get(spec.time(), v1::TIMESTAMP));
  for (size_t row = 0; row < time->rows(); ++row)
    if (time->missing(row))
      return invalid_argument(
          fmt::format("{}: the row has no '{}'; every row needs its event time: correct or remove it",
                      rows.where(row), spec.time()));
  return rows;
}

// How one value names its snapshot: 1 is "01", 2013 is "2013", JFK is "JFK" in lower case.
Result<std::string> name_part(const SourceTable& rows, const Column& column, size_t row) {
  if (!column.missing(row) && column.type == v1::TEXT) {
    std::string text(column.text(row));
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
  }
  if (!column.missing(row) && column.type == v1::NUMBER) {
    const double value = column.numbers[row];
    if (value >= 0 && value < 1e15 && value == std::floor(value))
      return fmt::format("{:02}", static_cast<int64_t>(value));
  }
  return invalid_argument(
      fmt::format("{}: '{}' cannot name a snapshot here: whole numbers from 0 and texts can", rows.where(row),
                  column.name));
}

std::vector<uint32_t> sorted_by_time(std::vector<uint32_t> rows, const Column& time) {
  std::stable_sort(rows.begin(), rows.end(),
                   [&](uint32_t a, uint32_t b) { return time.times[a] < time.times[b]; });
  return rows;
}

// Rows of each snapshot, in the file's order.
Result<std::map<std::string, std::vector<uint32_t>>> partition(const v1::ImportSpec& spec,
                                                               const SourceTable& rows) {
  std::map<std::string, std::vector<uint32_t>> groups;
  std::vector<const Column*> by;
  for (const std::string& name : spec.snapshot_by()) by.push_back(rows.table.find(name));
  for (size_t row = 0; row < rows.table.rows(); ++row) {
    std::string name;
    for (const Column* column : by) name += (name.empty() ? "" : "-") + TRY(name_part(rows, *column, row));
    if (by.empty()) name = "all";
    if (!valid_name(name))
      return invalid_argument(
          fmt::format("{}: '{}' cannot name a snapshot: lower-case letters, digits, '-', '_' and "
                      "'.' can",
                      rows.where(row), name));
    groups[name].push_back(static_cast<uint32_t>(row));
  }
  return groups;
}

Table kept_columns(const v1::ImportSpec& spec, const Table& table, std::span<const uint32_t> rows) {
  Table out;
  for (const std::string& name : spec.keep()) out.add(take(*table.find(name), rows));
  return out;
}

}  // namespace

Result<std::vector<v1::DatasetSnapshot>> import_dataset(const v1::ImportSpec& spec,
                                                        const std::filesystem::path& source_dir,
                                                        artifacts::Store& store, const Progress& progress) {
  const SourceTable rows = TRY(load_rows(spec, source_dir, progress));
  const auto groups = TRY(partition(spec, rows));
  const Column& time = *rows.table.find(spec.time());
  std::vector<v1::DatasetSnapshot> snapshots;
  for (const auto& [name, members] : groups) {
    const Table table = kept_columns(spec, rows.table, sorted_by_time(members, time));
    snapshots.push_back(TRY(make_snapshot(store, spec.dataset(), name, table, spec.time(),
                                          "import of " + source_label(spec.rows()))));
    tell(progress, fmt::format("{}@{}: {} rows", spec.dataset(), name, table.rows()));
  }
  return snapshots;
}

Result<Table> import_table(const v1::ImportSpec& spec, const std::filesystem::path& source_dir,
                           const Progress& progress) {
  const SourceTable rows = TRY(load_rows(spec, source_dir, progress));
  std::vector<uint32_t> all(rows.table.rows());
  std::iota(all.begin(), all.end(), 0u);
  return kept_columns(spec, rows.table, sorted_by_time(std::move(all), *rows.table.find(spec.time())));
}

}  // namespace rekindle::dataio
