#include "base/text/cron.h"

#include <gmock/gmock.h>

namespace rekindle {
namespace {

using ::testing::HasSubstr;

Time at(const char* text) {
  return *parse_time(text);
}

std::string next(const char* cron, const char* after, const char* until = "2033-01-01") {
  const auto found = Cron::parse(cron)->next(at(after), at(until));
  return found ? format_time(*found) : "never";
}

TEST(Cron, SaysTheNextTime) {
  // 1 January 2013 was a Tuesday.
  EXPECT_EQ(next("0 3 * * 1", "2013-01-01"), "2013-01-07T03:00:00Z");
  EXPECT_EQ(next("0 3 * * 1", "2013-01-07T03:00"), "2013-01-14T03:00:00Z") << "after, not at";
  EXPECT_EQ(next("0 3 * * 1", "2013-01-07T02:59:59"), "2013-01-07T03:00:00Z");
  EXPECT_EQ(next("*/20 * * * *", "2013-01-01T23:45"), "2013-01-02T00:00:00Z");
  EXPECT_EQ(next("5/20 8-17/3 * * *", "2013-01-01T08:46"), "2013-01-01T11:05:00Z");
  EXPECT_EQ(next("0 0 1 1,7 *", "2013-01-01T00:00"), "2013-07-01T00:00:00Z");
  EXPECT_EQ(next("0 0 29 2 *", "2013-01-01"), "2016-02-29T00:00:00Z");
  EXPECT_EQ(next("0 0 * * 0", "2013-01-01"), next("0 0 * * 7", "2013-01-01"));
  EXPECT_EQ(next("0 0 13 * 5", "2013-01-01"), "2013-01-04T00:00:00Z") << "either day, as in cron";
  EXPECT_EQ(next("0 0 30 2 *", "2013-01-01"), "never");
  EXPECT_EQ(next("0 3 * * 1", "2013-01-01", "2013-01-07T02:59"), "never") << "not beyond what was asked";
  EXPECT_EQ(next("0 3 * * 1", "2013-01-01", "2013-01-07T03:00"), "2013-01-07T03:00:00Z");
  EXPECT_EQ(next("0 0 * * *", "1969-12-30T12:00", "1970-01-02"), "1969-12-31T00:00:00Z") << "before 1970";
}

TEST(Cron, NextIsTheFirstMinuteThatMatches) {
  for (const char* text :
       {"*/7 * * * *", "0 */5 * * 1-5", "30 12 1,15 * 3", "* 8-17 * * 1-5", "0 0 1 */2 *"}) {
    const Cron cron = *Cron::parse(text);
    Time asked = at("2013-02-26T10:03:20");
    for (Time minute = asked; minute < at("2013-03-20"); minute += std::chrono::minutes(1)) {
      if (!cron.matches(minute) || minute == asked) continue;
      const Time start = std::chrono::floor<std::chrono::minutes>(minute);
      ASSERT_EQ(cron.next(asked, at("2014-01-01")), start) << text;
      asked = minute;
    }
  }
}

TEST(Cron, SaysWhichFieldIsWrong) {
  const auto wrong = [](const char* text) { return Cron::parse(text).status().message(); };
  EXPECT_THAT(wrong("0 3 * *"), HasSubstr("has 4 fields; a time has five"));
  EXPECT_THAT(wrong(""), HasSubstr("has 0 fields"));
  EXPECT_THAT(wrong("60 3 * * 1"), HasSubstr("'60' is no minute"));
  EXPECT_THAT(wrong("0 24 * * 1"), HasSubstr("no hour"));
  EXPECT_THAT(wrong("0 3 0 * 1"), HasSubstr("no day of the month: numbers from 1 to 31"));
  EXPECT_THAT(wrong("0 3 * 13 1"), HasSubstr("no month"));
  EXPECT_THAT(wrong("0 3 * * mon"), HasSubstr("'mon' is no day of the week"));
  for (const char* text : {"5-1 * * * *", "*/0 * * * *", "1,,2 * * * *", "1/2/3 * * * *", "1-2-3 * * * *",
                           "-1 * * * *", "99999999999 * * * *", "* * * * 8"})
    EXPECT_FALSE(Cron::parse(text).ok()) << text;
}

}  // namespace
}  // namespace rekindle
