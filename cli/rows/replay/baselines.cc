#include "cli/rows/replay/baselines.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace rekindle::cli::replay {
namespace {

// A cell of few rows is drawn towards the constant answer, so that an empty one is not infinitely sure.
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

Result<Baselines> Baselines::fit(const dataio::LabelRule& rule, const Rows& rows, const TableBy& by) {
  const dataio::Column* column = by.column.empty() ? nullptr : rows.table.find(by.column);
  if (!by.column.empty() && column == nullptr)
    return not_found(fmt::format("no column '{}' for the table", by.column));
  std::map<std::string, std::vector<double>> cells;  // labels
  std::vector<double> all;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    if (std::isnan(rows.labels[row])) continue;
    cells[cell_of(rows, column, by, row)].push_back(rows.labels[row]);
    all.push_back(rows.labels[row]);
  }
  if (all.empty()) return failed_precondition("the job's initial dataset has no labelled rows");
  Baselines out;
  out.by_ = by;
  out.constant_ = rule.constant_answer(all);
  for (const auto& [cell, labels] : cells) {
    const auto n = static_cast<double>(labels.size());
    std::vector<double>& answer = out.answers_[cell] = rule.constant_answer(labels);
    for (size_t k = 0; k < answer.size(); ++k)
      answer[k] = (n * answer[k] + kPriorRows * out.constant_[k]) / (n + kPriorRows);
  }
  return out;
}

std::vector<double> Baselines::constant(const Rows& rows) const {
  std::vector<double> out;
  for (size_t row = 0; row < rows.labels.size(); ++row)
    out.insert(out.end(), constant_.begin(), constant_.end());
  return out;
}

std::vector<double> Baselines::table(const Rows& rows) const {
  const dataio::Column* column = by_.column.empty() ? nullptr : rows.table.find(by_.column);
  std::vector<double> out;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    const auto it = answers_.find(cell_of(rows, column, by_, row));
    const std::vector<double>& answer = it == answers_.end() ? constant_ : it->second;
    out.insert(out.end(), answer.begin(), answer.end());
  }
  return out;
}

}  // namespace rekindle::cli::replay
