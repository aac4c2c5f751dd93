#include "base/text/cron.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>
#include <vector>

namespace rekindle {
namespace {

using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::sys_days;

struct Bounds {
  const char* name;
  unsigned least, most;
};
constexpr std::array<Bounds, 5> kFields{{{"minute", 0, 59},
                                         {"hour", 0, 23},
                                         {"day of the month", 1, 31},
                                         {"month", 1, 12},
                                         {"day of the week", 0, 7}}};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> fields_of(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const std::string_view part : split(text, ' '))
    if (!part.empty()) fields.push_back(part);
  return fields;
}

std::optional<unsigned> number_of(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The numbers of one field, as bits; nothing where it cannot be read.
std::optional<uint64_t> bits_of(std::string_view text, const Bounds& bounds) {
  uint64_t bits = 0;
  for (const std::string_view part : split(text, ',')) {
    const std::vector<std::string_view> stepped = split(part, '/');
    const std::vector<std::string_view> ends = split(stepped[0], '-');
    if (stepped.size() > 2 || ends.size() > 2) return std::nullopt;
    const bool all = stepped[0] == "*";
    const auto from = all ? bounds.least : number_of(ends[0]);
    // A step behind a single number runs to the end of the field.
    const bool single = !all && ends.size() == 1 && stepped.size() == 1;
    const auto to = single ? from : ends.size() == 2 ? number_of(ends[1]) : bounds.most;
    const auto step = stepped.size() == 2 ? number_of(stepped[1]) : 1u;
    if (!from || !to || !step || *step == 0 || *from < bounds.least || *to > bounds.most || *from > *to)
      return std::nullopt;
    for (unsigned at = *from; at <= *to; at += *step) bits |= uint64_t{1} << at;
  }
  return bits;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  const std::vector<std::string_view> fields = fields_of(text);
  if (fields.size() != kFields.size())
    return invalid_argument(
        fmt::format("'{}' has {} fields; a time has five: minute hour day-of-month month day-of-week, as in "
                    "\"0 3 * * 1\"",
                    text, fields.size()));
  std::array<uint64_t, 5> bits{};
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto read = bits_of(fields[i], kFields[i]);
    if (!read)
      return invalid_argument(fmt::format("'{}' is no {}: numbers from {} to {}, as in *, 5, 1-5, */2 or 1,3",
                                          fields[i], kFields[i].name, kFields[i].least, kFields[i].most));
    bits[i] = *read;
  }
  Cron cron;
  cron.minutes_ = bits[0];
  cron.hours_ = bits[1];
  cron.days_ = bits[2];
  cron.months_ = bits[3];
  cron.weekdays_ = (bits[4] & 0x7f) | (bits[4] >> 7);
  cron.any_day_ = fields[2] == "*";
  cron.any_weekday_ = fields[4] == "*";
  return cron;
}

bool Cron::matches_day(sys_days day) const {
  const std::chrono::year_month_day date(day);
  if (!months_[static_cast<unsigned>(date.month())]) return false;
  const bool by_day = days_[static_cast<unsigned>(date.day())];
  const bool by_weekday = weekdays_[std::chrono::weekday(day).c_encoding()];
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

bool Cron::matches(Time time) const {
  const sys_days day = floor<std::chrono::days>(time);
  const auto minute = floor<minutes>(time - day).count();
  return hours_[static_cast<size_t>(minute / 60)] && minutes_[static_cast<size_t>(minute % 60)] &&
         matches_day(day);
}

std::optional<Time> Cron::next(Time after, Time until) const {
  Time at = floor<minutes>(after) + minutes(1);
  while (at <= until) {
    const sys_days day = floor<std::chrono::days>(at);
    if (!matches_day(day)) {
      at = day + std::chrono::days(1);
      continue;
    }
    const auto hour = floor<hours>(at - day);
    if (!hours_[static_cast<size_t>(hour.count())]) {
      at = day + hour + hours(1);
      continue;
    }
    if (minutes_[static_cast<size_t>(floor<minutes>(at - day - hour).count())]) return at;
    at += minutes(1);
  }
  return std::nullopt;
}

}  // namespace rekindle
