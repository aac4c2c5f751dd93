#include "cli/rows/init/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_set>

#include "cli/rows/init/single.h"
#include "dataio/labels.h"

namespace rekindle::cli {
namespace {

constexpr double kSuspect = 0.5;  // of the label's uncertainty: more than an honest column tells alone
constexpr size_t kNumberCategories = 12;  // whole numbers with so few values are as likely codes
constexpr double kIdentifier = 0.5;       // distinct texts per row: a name of the row, not of a kind
constexpr double kTextMissing = 0.99;     // a column with less than a hundredth of its values says nothing
constexpr double kAfterwards = 0.99;      // share of rows in which a time that comes later is a consequence

bool whole(const dataio::Column& column) {
  return std::ranges::all_of(column.numbers, [](double x) { return std::isnan(x) || x == std::floor(x); });
}

size_t distinct_values(const dataio::Column& column) {
  std::unordered_set<std::string_view> texts;
  std::unordered_set<double> numbers;
  for (size_t row = 0; row < column.rows(); ++row) {
    if (column.missing(row)) continue;
    if (column.type == v1::TEXT) texts.insert(column.text(row));
    if (column.type == v1::TIMESTAMP) numbers.insert(static_cast<double>(column.times[row]));
    if (column.type == v1::NUMBER || column.type == v1::BOOL) numbers.insert(column.numbers[row]);
    if (texts.size() + numbers.size() > kDistinctMax) break;
  }
  return texts.size() + numbers.size();
}

double missing_share(const dataio::Column& column) {
  size_t missing = 0;
  for (size_t row = 0; row < column.rows(); ++row) missing += column.missing(row);
  return static_cast<double>(missing) / static_cast<double>(std::max<size_t>(1, column.rows()));
}

// The kind that the values speak for, and for classes their names.
Status judge_label(const dataio::Column& column, Inspection& out) {
  const size_t distinct = distinct_values(column);
  if (distinct < 2)
    return invalid_argument(fmt::format("label '{}' has {} value{} in all rows: there is nothing to learn",
                                        column.name, distinct, distinct == 1 ? "" : "s"));
  if (column.type == v1::TEXT) {
    if (distinct > kDistinctMax)
      return invalid_argument(fmt::format(
          "label '{}' is text with more than {} values; a label is true/false, a class or a number",
          column.name, kDistinctMax));
    out.label_kind = v1::Label::MULTICLASS;
    std::map<std::string, size_t> counts;
    for (size_t row = 0; row < column.rows(); ++row)
      if (!column.missing(row)) ++counts[std::string(column.text(row))];
    for (const auto& [name, count] : counts) out.classes.push_back(name);
    std::ranges::stable_sort(out.classes,
                             [&](const auto& a, const auto& b) { return counts[a] > counts[b]; });
    return ok_status();
  }
  if (column.type != v1::NUMBER && column.type != v1::BOOL)
    return invalid_argument(
        fmt::format("label '{}' is of type {}; a label is true/false, a class or a number", column.name,
                    dataio::type_word(column.type)));
  const bool zero_one =
      std::ranges::all_of(column.numbers, [](double x) { return std::isnan(x) || x == 0 || x == 1; });
  out.label_kind = zero_one ? v1::Label::BINARY : v1::Label::REGRESSION;
  return ok_status();
}

// Missing where the label is and hardly elsewhere: what is written down together is known together.
bool comes_with_label(const dataio::Column& column, std::span<const double> labels) {
  constexpr double kRowsMin = 50, kTogether = 0.9, kApart = 0.1;
  double unknown = 0, together = 0, apart = 0;
  for (size_t row = 0; row < labels.size(); ++row) {
    unknown += std::isnan(labels[row]);
    if (column.missing(row)) ++(std::isnan(labels[row]) ? together : apart);
  }
  const double known = static_cast<double>(labels.size()) - unknown;
  return unknown >= kRowsMin && together > kTogether * unknown && apart < kApart * known;
}

// A time that follows the event in nearly all rows is known only afterwards; how much later tells when the
// label is.
bool comes_afterwards(const dataio::Column& column, const dataio::Column& time, Inspection& out) {
  std::vector<int64_t> later;
  size_t both = 0;
  for (size_t row = 0; row < column.rows(); ++row) {
    if (column.missing(row) || time.missing(row)) continue;
    ++both;
    if (column.times[row] > time.times[row]) later.push_back(column.times[row] - time.times[row]);
  }
  if (both == 0 || static_cast<double>(later.size()) < kAfterwards * static_cast<double>(both)) return false;
  const auto nearly_last = later.begin() + static_cast<std::ptrdiff_t>(later.size() * 99 / 100);
  std::ranges::nth_element(later, nearly_last);
  if (Micros(*nearly_last) > out.matures) {
    out.matures = Micros(*nearly_last);
    out.matures_from = column.name;
  }
  return true;
}

Finding judge(const dataio::Column& column, const dataio::Column& time, std::span<const double> labels,
              Inspection& out) {
  Finding found;
  found.column = column.name;
  found.missing = missing_share(column);
  found.distinct = distinct_values(column);
  const auto rows = static_cast<double>(column.rows());
  const auto left_out = [&](std::string reason) {
    found.use = Use::kLeftOut;
    found.reason = std::move(reason);
    return found;
  };
  if (column.type == v1::BYTES || column.type == v1::TOKENS)
    return left_out(fmt::format("{}: for data.{} of another kind of model", dataio::type_word(column.type),
                                column.type == v1::BYTES ? "image" : "tokens"));
  if (found.distinct == 0) return left_out("never a value");
  if (found.distinct == 1 && found.missing == 0) return left_out("always the same value");
  if (found.missing > kTextMissing) return left_out(fmt::format("{:.1f} % missing", 100 * found.missing));
  if (column.type == v1::TIMESTAMP)
    return left_out(comes_afterwards(column, time, out)
                        ? "LEAK: a time after the event, known only afterwards"
                        : "a timestamp; derive a part_of_time from it (hour, weekday)");
  found.explains = explained(column, labels, out.label_kind);
  if (comes_with_label(column, labels)) {
    found.use = Use::kSuspect;
    found.reason = "LEAK? missing where the label is: written down with it, so known no earlier?";
    return found;
  }
  if (found.explains > kSuspect) {
    found.use = Use::kSuspect;
    found.reason =
        fmt::format("LEAK? alone it removes {:.0f} % of what is unknown of the label; known when asked?",
                    100 * found.explains);
    return found;
  }
  if (column.type == v1::TEXT) {
    // Counted up to a thousand and one: of so many, long tables are let pass.
    if (static_cast<double>(found.distinct) > kIdentifier * std::min(rows, 2.0 * kDistinctMax))
      return left_out(fmt::format("{} values in {} rows: names of rows, not of kinds",
                                  found.distinct > kDistinctMax ? fmt::format("over {}", kDistinctMax)
                                                                : fmt::format("{}", found.distinct),
                                  column.rows()));
    found.use = Use::kCategorical;
    found.reason = fmt::format("text with {} values", found.distinct);
    return found;
  }
  found.use = Use::kNumeric;
  found.reason = column.type == v1::BOOL ? "true or false" : "a number";
  if (column.type == v1::NUMBER && found.distinct <= kNumberCategories && whole(column))
    found.reason =
        fmt::format("whole numbers with {} values; under `categorical` if they are codes", found.distinct);
  if (found.missing > 0) found.reason += fmt::format(", {:.1f} % missing", 100 * found.missing);
  return found;
}

Result<const dataio::Column*> column_named(const dataio::Table& table, const std::string& name,
                                           std::string_view what) {
  if (const dataio::Column* column = table.find(name)) return column;
  std::vector<std::string> names;
  for (const dataio::Column& column : table.columns) names.push_back(column.name);
  return not_found(
      fmt::format("there is no column '{}' for the {}; columns: {}", name, what, fmt::join(names, ", ")));
}

}  // namespace

Result<Inspection> inspect(const dataio::Table& table, const std::string& time, const std::string& label) {
  const dataio::Column* times = TRY(column_named(table, time, "event time"));
  const dataio::Column* outcome = TRY(column_named(table, label, "label"));
  if (table.rows() == 0) return invalid_argument("the file has no rows");
  if (time == label) return invalid_argument("the label cannot be the event time");
  if (times->type != v1::TIMESTAMP)
    return invalid_argument(fmt::format(
        "'{}' is of type {}; the event time is ISO 8601 text (2013-01-01T05:00:00Z) or a Parquet timestamp",
        time, dataio::type_word(times->type)));
  Inspection out;
  out.rows = static_cast<int64_t>(table.rows());
  bool any = false;
  for (const int64_t at : times->times) {
    if (at == dataio::kMissingTime) continue;
    out.first = any ? std::min(out.first, Time(Micros(at))) : Time(Micros(at));
    out.last = any ? std::max(out.last, Time(Micros(at))) : Time(Micros(at));
    any = true;
  }
  if (!any) return invalid_argument(fmt::format("the event time '{}' is missing in all rows", time));
  TRY_STATUS(judge_label(*outcome, out));
  v1::Label rule;
  rule.set_kind(out.label_kind);
  for (const std::string& name : out.classes) rule.add_classes(name);
  const std::vector<double> labels = TRY(dataio::LabelRule(rule).read(*outcome));
  out.labelled = std::ranges::count_if(labels, [](double x) { return !std::isnan(x); });
  for (const dataio::Column& column : table.columns) {
    if (column.name == time || column.name == label) {
      Finding named;
      named.column = column.name;
      named.use = column.name == time ? Use::kTime : Use::kLabel;
      named.missing = missing_share(column);
      named.distinct = distinct_values(column);
      named.reason = column.name == time ? "the event time" : "what is predicted";
      out.findings.push_back(std::move(named));
    } else {
      out.findings.push_back(judge(column, *times, labels, out));
    }
  }
  return out;
}

}  // namespace rekindle::cli
