// Times as the five fields of cron say them, in UTC: minute, hour, day of the month, month, day of the week
// (0 and 7 are Sunday). A field is *, a number, a range a-b, one of both with a step (*/15, 8-17/3), or
// several of these with commas between. Where both days are restricted one of them is enough, as in cron.
#pragma once

#include <bitset>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace rekindle {

class Cron {
 public:
  // invalid_argument says which field is wrong, and how.
  static Result<Cron> parse(std::string_view text);

  bool matches(Time time) const;  // the minute that holds it
  // The first minute that matches and begins after `after` and not after `until`; nothing: there is none.
  // Takes time with the days between, not with the minutes.
  std::optional<Time> next(Time after, Time until) const;

 private:
  bool matches_day(std::chrono::sys_days day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false, any_weekday_ = false;
};

}  // namespace rekindle
