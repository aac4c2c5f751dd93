#include "dataio/snapshot.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace rekindle::dataio {
namespace {

constexpr size_t kNamesInMessage = 12;

std::string label(const v1::DatasetSnapshot& snapshot) {
  return snapshot.dataset() + "@" + snapshot.name();
}

const v1::Column* find_column(const v1::DatasetSnapshot& snapshot, std::string_view name) {
  for (const v1::Column& column : snapshot.columns())
    if (column.name() == name) return &column;
  return nullptr;
}

bool number_like(v1::ColumnType type) {
  return type == v1::NUMBER || type == v1::BOOL;
}

// The type of one column over all snapshots; numbers and bools go together as numbers.
Result<std::optional<v1::ColumnType>> common_type(std::span<const v1::DatasetSnapshot> snapshots,
                                                  std::string_view name, bool optional) {
  const v1::DatasetSnapshot* first = nullptr;
  v1::ColumnType type = v1::COLUMN_TYPE_UNSPECIFIED;
  for (const v1::DatasetSnapshot& snapshot : snapshots) {
    const v1::Column* column = find_column(snapshot, name);
    if (!column) {
      if (optional) continue;
      std::string names;
      for (const v1::Column& other : snapshot.columns()) names += (names.empty() ? "" : ", ") + other.name();
      return not_found(
          fmt::format("{} has no column '{}'; it has: {}; import it with that column in `keep`, or "
                      "name another in the job spec",
                      label(snapshot), name, names));
    }
    if (!first) {
      first = &snapshot;
      type = column->type();
    } else if (type != column->type()) {
      if (!number_like(type) || !number_like(column->type()))
        return invalid_argument(
            fmt::format("column '{}' holds {} values in {} and {} values in {}; import one of "
                        "them again with the type of the other",
                        name, type_word(type), label(*first), type_word(column->type()), label(snapshot)));
      type = v1::NUMBER;
    }
  }
  if (!first) return std::optional<v1::ColumnType>();
  return std::optional<v1::ColumnType>(type);
}

struct Wanted {
  std::string time_column;
  std::vector<WantedColumn> columns;  // the time column first; types as they come out
  const LabelRule* label = nullptr;   // whose column comes as numbers

  bool is_label(const std::string& name) const { return label && label->label().column() == name; }
};

Result<Wanted> wanted_columns(std::span<const v1::DatasetSnapshot> snapshots,
                              std::span<const std::string> columns, std::span<const std::string> optional,
                              const LabelRule* label_rule) {
  Wanted wanted;
  wanted.label = label_rule;
  wanted.time_column = snapshots.front().time_column();
  for (const v1::DatasetSnapshot& snapshot : snapshots)
    if (snapshot.time_column() != wanted.time_column || wanted.time_column.empty())
      return invalid_argument(
          fmt::format("{} has the time column '{}', {} has '{}'; all must have the same one",
                      label(snapshots.front()), wanted.time_column, label(snapshot), snapshot.time_column()));
  const auto add = [&](const std::string& name, bool is_optional) -> Status {
    for (const WantedColumn& known : wanted.columns)
      if (known.name == name) return ok_status();
    if (wanted.is_label(name)) {
      for (const v1::DatasetSnapshot& one : snapshots)
        TRY(common_type(std::span(&one, 1), name, is_optional));
      wanted.columns.push_back({name, v1::NUMBER, is_optional});
      return ok_status();
    }
    const std::optional<v1::ColumnType> type = TRY(common_type(snapshots, name, is_optional));
    if (type) wanted.columns.push_back({name, *type, is_optional});
    return ok_status();
  };
  TRY_STATUS(add(wanted.time_column, false));
  if (wanted.columns.front().type != v1::TIMESTAMP)
    return invalid_argument(fmt::format("the time column '{}' holds {} values; timestamps are needed",
                                        wanted.time_column, type_word(wanted.columns.front().type)));
  for (const std::string& name : columns) TRY_STATUS(add(name, false));
  for (const std::string& name : optional) TRY_STATUS(add(name, true));
  return wanted;
}

// The parts of one snapshot that lie in one blob.
struct BlobParts {
  std::string sha256;
  std::vector<uint32_t> row_groups;
};

std::vector<BlobParts> by_blob(const v1::DatasetSnapshot& snapshot) {
  std::vector<BlobParts> blobs;
  for (const v1::SnapshotPart& part : snapshot.parts()) {
    if (blobs.empty() || blobs.back().sha256 != part.sha256()) blobs.push_back({part.sha256(), {}});
    blobs.back().row_groups.push_back(part.row_group());
  }
  return blobs;
}

Result<Table> read_blob(const artifacts::Store& store, const v1::DatasetSnapshot& snapshot,
                        const BlobParts& blob, const Wanted& wanted) {
  const std::string name = fmt::format("{} (blob {})", label(snapshot), blob.sha256.substr(0, 12));
  const Result<std::string> bytes = store.get(blob.sha256);
  if (!bytes.ok()) return bytes.status().within("reading " + label(snapshot));
  std::vector<WantedColumn> columns = wanted.columns;
  for (WantedColumn& column : columns) {
    const v1::Column* described = find_column(snapshot, column.name);
    if (described) column = {column.name, described->type(), false};
  }
  Table table = TRY(read_parquet(*bytes, name, columns, blob.row_groups));
  for (Column& column : table.columns) {
    if (!wanted.is_label(column.name)) continue;
    auto labels = wanted.label->read(column);
    if (!labels.ok()) return labels.status().within(label(snapshot));
    column = number_column(column.name, std::move(labels).value());
  }
  return table;
}

void keep_range(Table& table, int64_t from_us, int64_t until_us) {
  const std::vector<int64_t>& times = table.columns.front().times;
  std::vector<uint32_t> rows;
  rows.reserve(times.size());
  for (size_t row = 0; row < times.size(); ++row)
    if (times[row] != kMissingTime && times[row] >= from_us && times[row] < until_us)
      rows.push_back(static_cast<uint32_t>(row));
  if (rows.size() != times.size()) table = take(table, rows);
}

Table sorted_by_time(Table table) {
  const std::vector<int64_t>& times = table.columns.front().times;
  if (std::is_sorted(times.begin(), times.end())) return table;
  std::vector<uint32_t> rows(times.size());
  std::iota(rows.begin(), rows.end(), 0u);
  std::stable_sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) { return times[a] < times[b]; });
  return take(table, rows);
}

}  // namespace

Result<DatasetRef> parse_dataset_ref(std::string_view text) {
  const Status bad = invalid_argument(fmt::format(
      "'{}' names no dataset; write NAME, NAME@SNAPSHOT or NAME@FIRST..LAST, as in flights@2013-01..2013-03",
      text));
  DatasetRef ref;
  const size_t at = text.find('@');
  ref.dataset = std::string(text.substr(0, at));
  if (!valid_name(ref.dataset)) return bad;
  if (at == std::string_view::npos) return ref;
  const std::string_view range = text.substr(at + 1);
  const size_t dots = range.find("..");
  ref.first = std::string(range.substr(0, dots));
  ref.last = dots == std::string_view::npos ? ref.first : std::string(range.substr(dots + 2));
  if (!valid_name(ref.first) || !valid_name(ref.last)) return bad;
  if (ref.last < ref.first) return invalid_argument(fmt::format("'{}' ends before it begins", text));
  return ref;
}

Result<std::vector<v1::DatasetSnapshot>> select_snapshots(std::string_view reference,
                                                          std::span<const v1::DatasetSnapshot> available) {
  const DatasetRef ref = TRY(parse_dataset_ref(reference));
  std::vector<v1::DatasetSnapshot> chosen;
  std::vector<std::string> names, datasets;
  for (const v1::DatasetSnapshot& snapshot : available) {
    datasets.push_back(snapshot.dataset());
    if (snapshot.dataset() != ref.dataset) continue;
    names.push_back(snapshot.name());
    if ((!ref.first.empty() && snapshot.name() < ref.first) ||
        (!ref.last.empty() && ref.last < snapshot.name()))
      continue;
    chosen.push_back(snapshot);
  }
  if (chosen.empty()) {
    std::vector<std::string>& known = names.empty() ? datasets : names;
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    std::string list;
    for (size_t i = 0; i < std::min(known.size(), kNamesInMessage); ++i) list += (i ? ", " : "") + known[i];
    if (known.size() > kNamesInMessage) list += fmt::format(" and {} more", known.size() - kNamesInMessage);
    if (list.empty()) list = "none; `rekindle dataset import SPEC` makes one";
    return not_found(names.empty() ? fmt::format("no dataset named '{}'; there is: {}", ref.dataset, list)
                                   : fmt::format("dataset '{}' has no snapshot '{}'; it has: {}", ref.dataset,
                                                 reference.substr(ref.dataset.size() + 1), list));
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const v1::DatasetSnapshot& a, const v1::DatasetSnapshot& b) { return a.name() < b.name(); });
  return chosen;
}

Result<Table> read_rows(const artifacts::Store& store, std::span<const v1::DatasetSnapshot> snapshots,
                        std::span<const std::string> columns, int64_t from_us, int64_t until_us,
                        std::span<const std::string> optional, const LabelRule* label) {
  if (snapshots.empty()) return invalid_argument("no snapshots to read rows from");
  const Wanted wanted = TRY(wanted_columns(snapshots, columns, optional, label));
  Table table;
  for (const WantedColumn& column : wanted.columns) table.columns.push_back({column.name, column.type});
  std::vector<Table> parts;
  for (const v1::DatasetSnapshot& snapshot : snapshots) {
    if (snapshot.rows() == 0 || snapshot.last_time_us() < from_us || snapshot.first_time_us() >= until_us)
      continue;
    for (const BlobParts& blob : by_blob(snapshot)) {
      Table part = TRY(read_blob(store, snapshot, blob, wanted));
      for (size_t i = 0; i < part.columns.size(); ++i) part.columns[i].type = wanted.columns[i].type;
      keep_range(part, from_us, until_us);
      parts.push_back(std::move(part));
    }
  }
  TRY_STATUS(append(table, parts));
  parts.clear();
  if (table.rows() > std::numeric_limits<uint32_t>::max())
    return resource_exhausted(
        fmt::format("{} rows are more than one process reads at once; shorten "
                    "train.rows.last",
                    table.rows()));
  return sorted_by_time(std::move(table));
}

Result<v1::DatasetSnapshot> make_snapshot(artifacts::Store& store, std::string dataset, std::string name,
                                          const Table& table, std::string_view time_column,
                                          std::string source) {
  TRY_STATUS(check_name("dataset", dataset));
  TRY_STATUS(check_name("snapshot", name));
  const Column* time = TRY(table.get(time_column, v1::TIMESTAMP));
  if (!std::is_sorted(time->times.begin(), time->times.end()))
    return invalid_argument(
        fmt::format("the rows of {}@{} are not sorted by '{}'", dataset, name, time_column));
  if (!time->times.empty() && time->times.front() == kMissingTime)
    return invalid_argument(fmt::format("a row of {}@{} has no '{}'", dataset, name, time_column));

  const std::string bytes = TRY(write_parquet(table));
  const std::string sha = TRY(store.put(bytes));
  v1::DatasetSnapshot snapshot;
  snapshot.set_dataset(std::move(dataset));
  snapshot.set_name(std::move(name));
  for (const Column& column : table.columns) {
    v1::Column* described = snapshot.add_columns();
    described->set_name(column.name);
    described->set_type(column.type);
  }
  for (uint64_t at = 0; at < table.rows(); at += kRowGroupRows) {
    v1::SnapshotPart* part = snapshot.add_parts();
    part->set_sha256(sha);
    part->set_row_group(static_cast<uint32_t>(at / kRowGroupRows));
    part->set_rows(std::min<uint64_t>(kRowGroupRows, table.rows() - at));
    part->set_bytes(bytes.size());
  }
  snapshot.set_rows(table.rows());
  snapshot.set_time_column(std::string(time_column));
  snapshot.set_first_time_us(time->times.empty() ? 0 : time->times.front());
  snapshot.set_last_time_us(time->times.empty() ? 0 : time->times.back());
  snapshot.set_source(std::move(source));
  return snapshot;
}

bool same_content(const v1::DatasetSnapshot& a, const v1::DatasetSnapshot& b) {
  v1::DatasetSnapshot left = a, right = b;
  for (v1::DatasetSnapshot* snapshot : {&left, &right}) {
    snapshot->clear_created_us();
    snapshot->clear_source();
  }
  return google::protobuf::util::MessageDifferencer::Equals(left, right);
}

}  // namespace rekindle::dataio
