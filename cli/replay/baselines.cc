#include "cli/replay/baselines.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace rekindle::cli::replay {
namespace {

// A cell of few rows is drawn towards the constant rate, so that an empty one is not infinitely sure.
constexpr double kPriorRows = 10;
constexpr int64_t kHour = 3'600'000'000;

std::string cell_of(const Rows& rows, const dataio::Column* column, const TableBy& by, size_t row) {
  if (column == nullptr) return fmt::format("{}", rows.times[row] / kHour % 24);
  if (column->missing(row)) return "";
  if (column->type == v1::TEXT) return std::string(column->text(row));
  return fmt::format("{}", std::floor(column->numbers[row] / by.width));
}

}  // namespace

std::string TableBy::words() const {
  if (column.empty()) return "hour of day";
  return width == 1 ? column : fmt::format("{}/{:g}", column, width);
}

Result<TableBy> parse_table_by(const std::string& text) {
  TableBy by;
  const size_t slash = text.find('/');
  by.column = text.substr(0, slash);
  if (slash == std::string::npos) return by;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, by.width);
  if (error != std::errc() || stop != end || !(by.width > 0) || by.column.empty())
    return invalid_argument(
        fmt::format("'{}' is no table: write COLUMN or COLUMN/WIDTH, such as sched_minute/60", text));
  return by;
}

Result<Baselines> Baselines::fit(const Rows& rows, const TableBy& by) {
  const dataio::Column* column = by.column.empty() ? nullptr : rows.table.find(by.column);
  if (!by.column.empty() && column == nullptr)
    return not_found(fmt::format("no column '{}' for the table", by.column));
  std::map<std::string, std::pair<double, double>> cells;  // rows, positives
  double labelled = 0, positive = 0;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    if (std::isnan(rows.labels[row])) continue;
    auto& [n, p] = cells[cell_of(rows, column, by, row)];
    n += 1, p += rows.labels[row];
    labelled += 1, positive += rows.labels[row];
  }
  if (labelled == 0) return failed_precondition("the job's initial dataset has no labelled rows");
  Baselines out;
  out.by_ = by;
  out.constant_ = positive / labelled;
  for (const auto& [cell, counts] : cells)
    out.rates_[cell] = (counts.second + kPriorRows * out.constant_) / (counts.first + kPriorRows);
  return out;
}

std::vector<double> Baselines::table(const Rows& rows) const {
  const dataio::Column* column = by_.column.empty() ? nullptr : rows.table.find(by_.column);
  std::vector<double> out(rows.labels.size(), constant_);
  for (size_t row = 0; row < out.size(); ++row)
    if (const auto it = rates_.find(cell_of(rows, column, by_, row)); it != rates_.end())
      out[row] = it->second;
  return out;
}

}  // namespace rekindle::cli::replay
