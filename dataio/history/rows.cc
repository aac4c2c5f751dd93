#include "dataio/history/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/clock.h"
#include "dataio/snapshot.h"

namespace rekindle::dataio::history {
namespace {

// A serving node refuses requests of more rows; larger groups become several requests.
constexpr size_t kRowsPerRequest = 5000;
constexpr size_t kImagesPerRequest = 100;

// Ids are printable and without blanks, whatever the values of the column.
std::string id_part(std::string_view value) {
  std::string out;
  for (const char c : value.substr(0, 100)) out += (c > ' ' && c < 0x7F && c != '/') ? c : '_';
  return out.empty() ? "missing" : out;
}

std::string group_value(const dataio::Column* column, size_t row) {
  if (column == nullptr) return "all";
  switch (column->type) {
    case v1::TEXT:
      return std::string(column->text(row));
    case v1::TIMESTAMP:
      return fmt::format("{}", column->times[row]);
    default:
      return fmt::format("{}", column->numbers[row]);
  }
}

Status fill_times_and_labels(const v1::Data& data, Rows& rows) {
  const dataio::Column* time = TRY(rows.table.get(data.time(), v1::TIMESTAMP));
  rows.times = time->times;
  rows.labels = rows.table.find(data.label().column())->numbers;
  return ok_status();
}

void cut(Slot& slot, const std::map<std::string, std::vector<uint32_t>>& groups,
         const std::vector<int64_t>& times, size_t most) {
  for (const auto& [value, members] : groups) {
    for (size_t begin = 0; begin < members.size(); begin += most) {
      Group group;
      group.id = fmt::format("{}-{}", id_part(value), format_time(time_from_micros(slot.start_us)));
      if (begin > 0) group.id += fmt::format("-{}", begin / most + 1);
      group.rows.assign(members.begin() + static_cast<ptrdiff_t>(begin),
                        members.begin() + static_cast<ptrdiff_t>(std::min(members.size(), begin + most)));
      group.event_us = times[group.rows.front()];
      slot.groups.push_back(std::move(group));
    }
  }
}

}  // namespace

Result<Rows> read_labelled_rows(const artifacts::Store& store, const v1::Data& data,
                                std::vector<v1::DatasetSnapshot> snapshots,
                                const std::vector<std::string>& extra) {
  std::vector<std::string> columns = extra;
  columns.push_back(data.label().column());
  const dataio::LabelRule rule(data.label());
  Rows rows;
  rows.table = TRY(dataio::read_rows(store, snapshots, columns, std::numeric_limits<int64_t>::min() + 1,
                                     std::numeric_limits<int64_t>::max(), {}, &rule));
  TRY_STATUS(fill_times_and_labels(data, rows));
  return rows;
}

Result<Rows> read_replay_rows(const artifacts::Store& store, const v1::Data& data,
                              const RowsRequest& request) {
  std::vector<std::string> columns(data.numeric().begin(), data.numeric().end());
  columns.insert(columns.end(), data.categorical().begin(), data.categorical().end());
  for (const std::string& name : {data.image(), data.tokens()})
    if (!name.empty()) columns.push_back(name);
  columns.push_back(data.label().column());
  if (!request.group_by.empty() &&
      std::find(columns.begin(), columns.end(), request.group_by) == columns.end())
    columns.push_back(request.group_by);
  const int64_t until = request.until_us > 0 ? request.until_us : std::numeric_limits<int64_t>::max();
  const dataio::LabelRule rule(data.label());
  Rows rows;
  rows.table = TRY(dataio::read_rows(store, request.snapshots, columns,
                                     std::numeric_limits<int64_t>::min() + 1, until, {}, &rule));
  TRY_STATUS(fill_times_and_labels(data, rows));
  if (rows.times.empty()) return failed_precondition("the dataset holds no rows in this range");
  const dataio::Column* by = request.group_by.empty() ? nullptr : rows.table.find(request.group_by);
  for (size_t row = 0; row < rows.times.size();) {
    Slot slot;
    slot.start_us = rows.times[row] - rows.times[row] % request.slot_us;
    std::map<std::string, std::vector<uint32_t>> groups;
    for (; row < rows.times.size() && rows.times[row] < slot.start_us + request.slot_us; ++row)
      groups[group_value(by, row)].push_back(static_cast<uint32_t>(row));
    cut(slot, groups, rows.times, data.image().empty() ? kRowsPerRequest : kImagesPerRequest);
    rows.slots.push_back(std::move(slot));
  }
  return rows;
}

void Labels::queue(const Group& group) {
  v1::LabelRecord record;
  bool any = false;
  for (const uint32_t row : group.rows) {
    record.add_labels(rows_.labels[row]);
    any |= !std::isnan(rows_.labels[row]);
  }
  if (!any) return;
  record.set_request_id(group.id);
  record.set_event_time_us(group.event_us);
  record.set_known_at_us(group.event_us + after_us_);
  due_[record.known_at_us() - record.known_at_us() % slot_us_].push_back(std::move(record));
}

std::vector<v1::LabelRecord> Labels::take(int64_t slot_start_us) {
  const auto due = due_.begin();
  if (due == due_.end() || due->first > slot_start_us) return {};
  return std::move(due_.extract(due).mapped());
}

void Labels::drop_before(int64_t slot_start_us) {
  due_.erase(due_.begin(), due_.lower_bound(slot_start_us));
}

}  // namespace rekindle::dataio::history
