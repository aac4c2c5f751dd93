// Broken feeds fire within a window, natural oddities do not.
#include "drift/quality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>
#include <set>

#include "drift/profile.h"

namespace rekindle::drift {
namespace {

constexpr int64_t kHour = 3'600'000'000, kDay = 24 * kHour;
const int64_t kStart = to_micros(*parse_time("2013-02-01"));
const double kNan = std::nan("");

struct Row {
  double temp, precip;
  std::string weekday, carrier;
};

// A feed with the habits of the flights': temperature follows the day and the season, rain is rare,
// weekdays last a day, some hours lack their weather.
class Feed {
 public:
  using Break = std::function<void(int64_t slot_us, int i, Row&)>;

  double uniform() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 11) / 9007199254740992.0;
  }

  std::vector<Row> hour(int64_t slot_us) {
    static const char* const kWeekdays[] = {"thu", "fri", "sat", "sun", "mon", "tue", "wed"};
    static const char* const kCarriers[] = {"UA", "B6", "EV", "DL", "AA"};
    const double day = static_cast<double>(slot_us - kStart) / kDay;
    const int64_t hour = slot_us / kHour % 24;
    const bool rain = uniform() < 0.05, no_weather = uniform() < 0.02;
    const double temp = 35 - 30 * std::cos((day + 20) / 365 * 2 * M_PI) + 15 +
                        8 * std::sin(hour / 24.0 * 6.28) + 12 * uniform();
    std::vector<Row> rows;
    for (int i = 0; hour >= 5 && i < 45; ++i)
      rows.push_back({no_weather ? kNan : temp,
                      no_weather ? kNan
                      : rain     ? 0.1 * uniform()
                                 : 0,
                      kWeekdays[slot_us / kDay % 7], kCarriers[static_cast<int>(uniform() * 5)]});
    return rows;
  }

 private:
  uint64_t state_ = 42;
};

const std::vector<FeedColumn> kColumns = {{"temp"}, {"precip"}, {"weekday", true}, {"carrier", true}};

v1::Profile january() {
  Feed feed;
  std::vector<double> temp, precip, prediction = {0.1, 0.2};
  CategoryTally weekday, carrier;
  for (int64_t slot = kStart - 31 * kDay; slot < kStart; slot += kHour)
    for (const Row& row : feed.hour(slot)) {
      temp.push_back(row.temp);
      precip.push_back(row.precip);
      weekday.add(row.weekday);
      carrier.add(row.carrier);
    }
  v1::Profile profile;
  *profile.add_features() = numeric_profile("temp", temp);
  *profile.add_features() = numeric_profile("precip", precip);
  *profile.add_features() = weekday.profile("weekday");
  *profile.add_features() = carrier.profile("carrier");
  *profile.mutable_prediction() = numeric_profile(kPrediction, prediction);
  return profile;
}

struct Seen {
  std::map<std::string, v1::Breach> newest;  // by check/feature, as last reported
  std::map<std::string, int64_t> first;      // end of the slot in which it was first reported
  std::set<std::string> open;                // after the last slot
};

Seen watch(int64_t from, int64_t until, const Feed::Break& breaks) {
  static const v1::Profile reference = january();
  const auto bins = *ProfileBins::make(reference);
  Feed feed;
  std::vector<SlotHealth> slots;
  std::vector<v1::Breach> open, ended;
  Seen seen;
  for (int64_t slot = from; slot < until; slot += kHour) {
    std::vector<Row> rows = feed.hour(slot);
    CountsBuilder counts(bins, 1, Micros(kHour));
    for (size_t i = 0; i < rows.size(); ++i) {
      if (breaks) breaks(slot, static_cast<int>(i), rows[i]);
      SlotCounter& at = counts.at(time_from_micros(slot));
      at.add_rows(1);
      at.add_numbers(0, std::span(&rows[i].temp, 1));
      at.add_numbers(1, std::span(&rows[i].precip, 1));
      at.add_text(2, rows[i].weekday);
      rows[i].carrier.empty() ? at.add_missing(3) : at.add_text(3, rows[i].carrier);
      RowContents contents(1);
      contents.add_numbers("temp", std::span(&rows[i].temp, 1));
      contents.add_numbers("precip", std::span(&rows[i].precip, 1));
      contents.texts("weekday").add(0, rows[i].weekday);
      contents.texts("carrier").add(0, rows[i].carrier);
      at.add_contents(contents);
    }
    for (const auto& c : counts.take()) slots.push_back(health_of(c, &reference, kColumns));
    while (!slots.empty() && slots.front().slot_us < slot + kHour - kFeedMemory.count())
      slots.erase(slots.begin());
    const std::vector<v1::Breach> before = open;
    open = check_feed(reference, kColumns, slots, Micros(kHour), "", open, ended).breaches;
    for (const auto& b : before)
      if (std::none_of(open.begin(), open.end(), [&](const auto& o) { return o.check() == b.check(); }))
        ended.push_back(b);
    seen.open.clear();
    for (const auto& breach : open) {
      const std::string key = breach.check() + "/" + breach.feature();
      seen.newest[key] = breach;
      seen.first.emplace(key, slot + kHour);
      seen.open.insert(key);
    }
  }
  return seen;
}

std::string names(const Seen& seen) {
  std::string out;
  for (const auto& [key, breach] : seen.newest) out += key + ": " + breach.reason() + "\n";
  return out;
}

TEST(Feed, AYearOfSeasonsIsNotBroken) {
  const Seen seen = watch(kStart, kStart + 334 * kDay, nullptr);
  EXPECT_TRUE(seen.newest.empty()) << names(seen);
}

TEST(Feed, ADayWithoutWeatherIsNotBroken) {
  const int64_t day = kStart + 30 * kDay;
  const Seen seen = watch(kStart, kStart + 60 * kDay, [&](int64_t slot, int, Row& row) {
    if (slot >= day && slot < day + kDay) row.temp = row.precip = kNan;
  });
  EXPECT_TRUE(seen.newest.empty()) << names(seen);
}

TEST(Feed, AnHourOfNonsenseIsAGlitch) {
  const Seen seen = watch(kStart, kStart + 30 * kDay, [&](int64_t slot, int, Row& row) {
    if (slot == kStart + 20 * kDay + 9 * kHour) row.temp = 1e6;
  });
  EXPECT_TRUE(seen.newest.empty()) << names(seen);
}

// What breaks at noon of the 20th day and is mended after `days`.
struct Case {
  const char* breach;
  Feed::Break how;
  double days, noticed_within_days;
};

TEST(Feed, BreaksAreNoticedNamedAndEnd) {
  const int64_t at = kStart + 20 * kDay + 12 * kHour;
  double frozen = 61.5;
  const Case cases[] = {
      {"missing_share/temp", [](int64_t, int, Row& r) { r.temp = kNan; }, 4, 1.5},
      {"missing_share/temp",
       [](int64_t, int i, Row& r) {
         if (i % 2 == 0) r.temp = kNan;
       },
       7, 4.5},
      {"missing_share/carrier", [](int64_t, int, Row& r) { r.carrier.clear(); }, 4, 1.5},
      {"range/temp", [](int64_t, int, Row& r) { r.temp *= 1000; }, 3, 0.5},
      {"range/temp", [](int64_t, int i, Row& r) { r.temp = -999 - i; }, 3, 0.5},
      {"recoded_category/carrier", [](int64_t, int, Row& r) { r.carrier = "x-" + r.carrier; }, 3, 0.6},
      {"unknown_categories/carrier", [](int64_t, int i, Row& r) { r.carrier = "?" + std::to_string(i % 9); },
       3, 0.6},
      {"unit_change/temp", [](int64_t, int, Row& r) { r.temp = (r.temp - 32) / 1.8; }, 3, 1.6},
      {"unit_change/temp", [](int64_t, int, Row& r) { r.temp = r.temp / 10; }, 3, 1.6},
      {"frozen_column/temp", [&](int64_t, int, Row& r) { r.temp = frozen; }, 3, 1.1},
      {"frozen_column/carrier", [](int64_t, int, Row& r) { r.carrier = "UA"; }, 3, 1.1},
      {"frozen_column/weekday", [](int64_t, int, Row& r) { r.weekday = "mon"; }, 5, 3.1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.breach);
    const int64_t mended = at + static_cast<int64_t>(c.days * kDay);
    const Seen seen = watch(kStart, mended + 10 * kDay, [&](int64_t slot, int i, Row& row) {
      if (slot >= at && slot < mended) c.how(slot, i, row);
    });
    EXPECT_EQ(seen.newest.size(), 1u) << names(seen);
    if (seen.newest.empty()) continue;
    const auto& [name, breach] = *seen.newest.begin();
    EXPECT_EQ(name, c.breach);
    EXPECT_LE(seen.first.at(name) - at, c.noticed_within_days * kDay);
    // The rows concerned: from the first broken hour (weekday: it was Monday or it was not) to the last.
    if (name != "frozen_column/weekday") {
      EXPECT_EQ(breach.from_us(), at);
    }
    EXPECT_GE(breach.until_us(), mended - 13 * kHour);
    EXPECT_LE(breach.until_us(), mended);
    EXPECT_GT(breach.rows(), 1000);
    EXPECT_THAT(breach.reason(), ::testing::HasSubstr(breach.feature()));
    EXPECT_TRUE(seen.open.empty()) << "mended and still open";
  }
}

TEST(Feed, AColumnThatIsNotSentIsASchemaBreach) {
  SlotHealth slot{kStart, 100, std::vector<FeatureHealth>(kColumns.size())};
  for (auto& f : slot.features) f.rows = 100;
  slot.features[0].rows = 0;
  std::vector<SlotHealth> slots;
  for (int i = 0; i < 5; ++i) {
    slots.push_back(slot);
    slots.back().slot_us += i * kHour;
  }
  const auto found = check_feed(january(), kColumns, slots, Micros(kHour), "node-a", {}).breaches;
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].check(), "schema");
  EXPECT_EQ(found[0].feature(), "temp");
  EXPECT_EQ(found[0].source(), "node-a");
  EXPECT_EQ(found[0].rows(), 500);
}

// A month lasts a month: only what stands still for longer than it ever did is frozen.
TEST(Feed, AColumnMayStandStillAsLongAsItDidInTheReference) {
  std::vector<double> month;
  for (int i = 0; i < 6000; ++i) month.push_back(1 + i / 1000);
  v1::Profile reference;
  *reference.add_features() = numeric_profile("month", month);
  ASSERT_EQ(reference.features(0).longest_run(), 1000);
  const std::vector<FeedColumn> columns = {{"month"}};
  std::vector<SlotHealth> slots;
  const auto stand_still = [&](int hours) {
    slots.clear();
    for (int i = 0; i < hours; ++i)
      slots.push_back({kStart + i * kHour, 20, {{.rows = 20, .least = 4, .greatest = 4}}});
    return check_feed(reference, columns, slots, Micros(kHour), "", {}).breaches;
  };
  EXPECT_TRUE(stand_still(99).empty());
  ASSERT_EQ(stand_still(100).size(), 1u);
  EXPECT_EQ(stand_still(100)[0].check(), "frozen_column");
}

TEST(Feed, KeepsItsNameWhileItLasts) {
  std::set<int64_t> starts;
  const int64_t at = kStart + 20 * kDay;
  // Longer than the checks look back.
  const Seen seen = watch(kStart, kStart + 50 * kDay, [&](int64_t slot, int, Row& row) {
    if (slot >= at) row.temp *= 1000;
  });
  ASSERT_EQ(seen.newest.size(), 1u) << names(seen);
  EXPECT_EQ(seen.newest.begin()->second.from_us(), at + 5 * kHour);
  EXPECT_EQ(seen.newest.begin()->second.until_us(), kStart + 50 * kDay);
  EXPECT_GT(seen.newest.begin()->second.rows(), 25000);
}

}  // namespace
}  // namespace rekindle::drift
