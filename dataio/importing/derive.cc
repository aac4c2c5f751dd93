#include "dataio/importing/derive.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>

#include "base/clock.h"

namespace rekindle::dataio {
namespace {

constexpr double kMicrosPerMinute = 60e6;
constexpr double kMinutesMax = 1e9;  // 1,900 years: beyond it microseconds would overflow
constexpr std::array<const char*, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                  "thu", "fri", "sat"};  // C encoding

Status bad_value(const SourceTable& rows, size_t row, const std::string& column, std::string_view what) {
  return invalid_argument(fmt::format("{}: column '{}': {}", rows.where(row), column, what));
}

Result<Column> add_minutes(const SourceTable& rows, const v1::AddMinutes& from) {
  const Column* time = TRY(rows.table.get(from.time(), v1::TIMESTAMP));
  const Column* minutes = TRY(rows.table.get(from.minutes(), v1::NUMBER));
  Column out{"", v1::TIMESTAMP};
  out.reserve(rows.table.rows());
  for (size_t row = 0; row < rows.table.rows(); ++row) {
    if (time->missing(row) || minutes->missing(row)) {
      out.add_missing();
      continue;
    }
    const double added = minutes->numbers[row];
    if (std::abs(added) > kMinutesMax)
      return bad_value(rows, row, from.minutes(), fmt::format("{} minutes cannot be added to a time", added));
    out.add_time(time->times[row] + std::llround(added * kMicrosPerMinute));
  }
  return out;
}

Result<Column> minute_of_day(const SourceTable& rows, const v1::MinuteOfDay& from) {
  const Column* hour = TRY(rows.table.get(from.hour(), v1::NUMBER));
  const Column* minute = TRY(rows.table.get(from.minute(), v1::NUMBER));
  Column out{"", v1::NUMBER};
  out.reserve(rows.table.rows());
  for (size_t row = 0; row < rows.table.rows(); ++row)
    out.add_number(60 * hour->numbers[row] + minute->numbers[row]);  // NaN when either is missing
  return out;
}

// Year, month and day as whole numbers of a day that exists.
bool as_date(double year, double month, double day, std::chrono::year_month_day& out) {
  if (year != std::floor(year) || month != std::floor(month) || day != std::floor(day)) return false;
  if (year < -9999 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31) return false;
  out = std::chrono::year_month_day(std::chrono::year(static_cast<int>(year)),
                                    std::chrono::month(static_cast<unsigned>(month)),
                                    std::chrono::day(static_cast<unsigned>(day)));
  return out.ok();
}

Result<Column> weekday(const SourceTable& rows, const v1::Weekday& from) {
  const Column* year = TRY(rows.table.get(from.year(), v1::NUMBER));
  const Column* month = TRY(rows.table.get(from.month(), v1::NUMBER));
  const Column* day = TRY(rows.table.get(from.day(), v1::NUMBER));
  Column out{"", v1::TEXT};
  out.words.assign(kWeekdays.begin(), kWeekdays.end());
  out.reserve(rows.table.rows());
  for (size_t row = 0; row < rows.table.rows(); ++row) {
    if (year->missing(row) || month->missing(row) || day->missing(row)) {
      out.add_missing();
      continue;
    }
    std::chrono::year_month_day date;
    if (!as_date(year->numbers[row], month->numbers[row], day->numbers[row], date))
      return bad_value(
          rows, row, from.day(),
          fmt::format("{}-{}-{} is not a date", year->numbers[row], month->numbers[row], day->numbers[row]));
    out.codes.push_back(static_cast<int32_t>(std::chrono::weekday(std::chrono::sys_days(date)).c_encoding()));
  }
  return out;
}

double number_of(v1::PartOfTime::Part part, Time at) {
  const auto days = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(days);
  const double minutes = static_cast<double>((at - days).count()) / kMicrosPerMinute;
  switch (part) {
    case v1::PartOfTime::YEAR:
      return static_cast<int>(date.year());
    case v1::PartOfTime::MONTH:
      return static_cast<unsigned>(date.month());
    case v1::PartOfTime::DAY:
      return static_cast<unsigned>(date.day());
    case v1::PartOfTime::HOUR:
      return std::floor(minutes / 60);
    default:
      return minutes;
  }
}

Result<Column> part_of_time(const SourceTable& rows, const v1::PartOfTime& from) {
  if (from.part() == v1::PartOfTime::PART_UNSPECIFIED || !v1::PartOfTime::Part_IsValid(from.part()))
    return invalid_argument("it needs part: year, month, day, hour, minute_of_day or weekday");
  const Column* time = TRY(rows.table.get(from.time(), v1::TIMESTAMP));
  const bool weekday = from.part() == v1::PartOfTime::WEEKDAY;
  Column out{"", weekday ? v1::TEXT : v1::NUMBER};
  if (weekday) out.words.assign(kWeekdays.begin(), kWeekdays.end());
  out.reserve(rows.table.rows());
  for (size_t row = 0; row < rows.table.rows(); ++row) {
    if (time->missing(row)) {
      out.add_missing();
      continue;
    }
    const Time at = time_from_micros(time->times[row]);
    if (weekday)
      out.codes.push_back(
          static_cast<int32_t>(std::chrono::weekday(std::chrono::floor<std::chrono::days>(at)).c_encoding()));
    else
      out.add_number(number_of(from.part(), at));
  }
  return out;
}

bool holds(v1::Compare::Op op, double a, double b) {
  switch (op) {
    case v1::Compare::GREATER:
      return a > b;
    case v1::Compare::AT_LEAST:
      return a >= b;
    case v1::Compare::LESS:
      return a < b;
    case v1::Compare::AT_MOST:
      return a <= b;
    default:
      return a == b;
  }
}

Result<Column> compare(const SourceTable& rows, const v1::Compare& from) {
  if (from.op() == v1::Compare::OP_UNSPECIFIED || !v1::Compare::Op_IsValid(from.op()))
    return invalid_argument("a comparison needs op: greater, at_least, less, at_most or equal");
  const Column* column = TRY(rows.table.get(from.column(), v1::NUMBER));
  Column out{"", v1::BOOL};
  out.reserve(rows.table.rows());
  for (double value : column->numbers)
    out.add_number(std::isnan(value) ? kMissingNumber : holds(from.op(), value, from.value()) ? 1 : 0);
  return out;
}

Result<Column> compute(const SourceTable& rows, const v1::Derive& derive) {
  switch (derive.from_case()) {
    case v1::Derive::kAddMinutes:
      return add_minutes(rows, derive.add_minutes());
    case v1::Derive::kMinuteOfDay:
      return minute_of_day(rows, derive.minute_of_day());
    case v1::Derive::kWeekday:
      return weekday(rows, derive.weekday());
    case v1::Derive::kCompare:
      return compare(rows, derive.compare());
    case v1::Derive::kPartOfTime:
      return part_of_time(rows, derive.part_of_time());
    case v1::Derive::FROM_NOT_SET:
      break;
  }
  return invalid_argument("it needs one of add_minutes, minute_of_day, weekday, compare, part_of_time");
}

}  // namespace

std::vector<std::string> derive_inputs(const v1::Derive& derive) {
  switch (derive.from_case()) {
    case v1::Derive::kAddMinutes:
      return {derive.add_minutes().time(), derive.add_minutes().minutes()};
    case v1::Derive::kMinuteOfDay:
      return {derive.minute_of_day().hour(), derive.minute_of_day().minute()};
    case v1::Derive::kWeekday:
      return {derive.weekday().year(), derive.weekday().month(), derive.weekday().day()};
    case v1::Derive::kCompare:
      return {derive.compare().column()};
    case v1::Derive::kPartOfTime:
      return {derive.part_of_time().time()};
    case v1::Derive::FROM_NOT_SET:
      break;
  }
  return {};
}

Status add_derived(SourceTable& rows, const v1::Derive& derive) {
  Result<Column> column = compute(rows, derive);
  if (!column.ok()) return column.status().within(fmt::format("derived column '{}'", derive.column()));
  column->name = derive.column();
  rows.table.add(*std::move(column));
  return ok_status();
}

}  // namespace rekindle::dataio
