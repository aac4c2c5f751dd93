// Changes of unit: of columns that move slowly told by a jump, whatever the weather does next; of those that
// come anew told from what is merely smaller.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "drift/feed/units/conversions.h"
#include "drift/feed/units/levels.h"
#include "drift/profile.h"
#include "drift/quality.h"

namespace rekindle::drift {
namespace {

constexpr int64_t kHour = 3'600'000'000;
constexpr int kBroken = 110, kEnd = 240;  // hours

// Six degrees a day warmer: what comes was never seen, and in °C it looks like the frost that was.
std::vector<double> spring(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(0, 0.5);
  std::vector<double> out;
  for (int hour = 0; hour < kEnd; ++hour)
    out.push_back(28 + 0.25 * hour + 7 * std::sin(2 * M_PI * hour / 24) + noise(random));
  return out;
}

struct Watched {
  std::vector<v1::Breach> opened;    // as last seen
  std::optional<int> named, lifted;  // hours: first breach, last suspicion
  std::vector<int> let_pass;         // hours since `from` with neither
};

// The values of each slot, as `unit_change` is told them: the range check would name some of them first.
Watched watch(const v1::Profile& reference, const std::vector<std::vector<double>>& values, int from,
              int until) {
  const FeedColumn column{"temp"};
  std::vector<SlotHealth> slots;
  std::vector<v1::Breach> open, ended;
  Watched out;
  for (int hour = 0; hour < static_cast<int>(values.size()); ++hour) {
    const auto [least, greatest] = std::minmax_element(values[hour].begin(), values[hour].end());
    FeatureHealth health{.rows = 20, .least = *least, .greatest = *greatest};
    for (const double value : values[hour]) health.sample[health.sampled++] = hash_of(value);
    slots.push_back({hour * kHour, 20, {health}});
    if (slots.size() > static_cast<size_t>(kFeedMemory.count() / kHour)) slots.erase(slots.begin());
    const Findings found =
        check_feed(reference, std::span(&column, 1), slots, Micros(kHour), "", open, ended);
    for (const auto& b : open)
      if (found.breaches.empty()) ended.push_back(b);
    open = found.breaches;
    for (const auto& b : open) {
      if (!out.named) out.named = hour;
      if (out.opened.empty() || out.opened.back().from_us() != b.from_us()) out.opened.emplace_back();
      out.opened.back() = b;
    }
    if (!found.suspects.empty()) out.lifted = hour;
    if (hour >= from && hour < until && open.empty() && found.suspects.empty()) out.let_pass.push_back(hour);
  }
  return out;
}

Watched watch(const std::vector<double>& values, int from = kBroken, int until = kEnd) {
  static const v1::Profile reference = [] {
    v1::Profile profile;
    *profile.add_features() = numeric_profile("temp", spring(1));
    return profile;
  }();
  std::vector<std::vector<double>> slots;
  for (const double value : values) slots.push_back({value});
  return watch(reference, slots, from, until);
}

TEST(SlowColumn, AChangeOfUnitIsToldWhateverTheWeatherDoesNext) {
  for (const Conversion& conversion : conversions()) {
    if (conversion.small()) continue;
    SCOPED_TRACE(in_words(conversion));
    std::vector<double> values = spring(7);
    for (int hour = kBroken; hour < kEnd; ++hour) values[hour] = conversion.of(values[hour]);
    const Watched seen = watch(values);
    ASSERT_EQ(seen.opened.size(), 1u);
    EXPECT_EQ(seen.opened[0].check(), "unit_change");
    EXPECT_EQ(seen.opened[0].from_us(), kBroken * kHour);
    EXPECT_EQ(seen.opened[0].until_us(), kEnd * kHour);
    EXPECT_NEAR(std::log(seen.opened[0].scale() / conversion.scale), 0, 0.3) << "24 is near 25.4";
    EXPECT_LE(*seen.named - kBroken, 48);
    EXPECT_THAT(seen.let_pass, testing::IsEmpty()) << "hours that could have settled";
  }
}

TEST(SlowColumn, AUnitThatIsMendedEndsWithTheSlot) {
  constexpr int kMended = kBroken + 60;
  for (const Conversion& conversion : conversions()) {
    if (conversion.small()) continue;
    SCOPED_TRACE(in_words(conversion));
    std::vector<double> values = spring(8);
    for (int hour = kBroken; hour < kMended; ++hour) values[hour] = conversion.of(values[hour]);
    const Watched seen = watch(values, kBroken, kMended);
    ASSERT_EQ(seen.opened.size(), 1u);
    EXPECT_EQ(seen.opened[0].from_us(), kBroken * kHour);
    EXPECT_EQ(seen.opened[0].until_us(), kMended * kHour);
    EXPECT_THAT(seen.let_pass, testing::IsEmpty());
  }
}

// Onto °C to the bit, but what moved by degrees of Fahrenheit still does.
TEST(SlowColumn, ALevelThatFallsIsNoUnit) {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    SCOPED_TRACE(seed);
    std::vector<double> values = spring(seed);
    const double fall = values[kBroken] - (values[kBroken] - 32) / 1.8;
    for (int hour = kBroken; hour < kEnd; ++hour) values[hour] -= fall;
    const Watched seen = watch(values);
    EXPECT_TRUE(seen.opened.empty());
    ASSERT_TRUE(seen.lifted.has_value());
    EXPECT_LE(*seen.lifted, kBroken + 48);
  }
}

// Delays, each by itself: in other units from an hour on, or merely shorter, by nearly as much.
TEST(ColumnThatComesAnew, WhatIsShorterByAnotherFactorIsNoUnit) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> delay(2.5, 0.8);
    std::vector<std::vector<double>> unit, shorter;
    std::vector<double> before;
    for (int hour = 0; hour < kEnd; ++hour) {
      unit.emplace_back();
      shorter.emplace_back();
      for (int i = 0; i < 8; ++i) {
        const double value = delay(random);
        if (hour < kBroken) before.push_back(value);
        unit.back().push_back(hour < kBroken ? value : value / 1.852);
        shorter.back().push_back(hour < kBroken ? value : value * 0.36);
      }
    }
    v1::Profile reference;
    *reference.add_features() = numeric_profile("temp", before);
    const Watched named = watch(reference, unit, kBroken, kEnd);
    ASSERT_FALSE(named.opened.empty());
    EXPECT_NEAR(std::log(named.opened[0].scale() * 1.852), 0, 0.2) << "1.609 is near 1.852";
    EXPECT_LE(*named.named - kBroken, 48);
    const Watched spared = watch(reference, shorter, kBroken, kEnd);
    EXPECT_TRUE(spared.opened.empty()) << (spared.opened.empty() ? "" : spared.opened[0].reason());
    EXPECT_LE(*spared.lifted, kBroken + 48);
  }
}

// Who is not taken as coming anew must have jumped, and an independent column does not.
TEST(Pace, ChanceAloneMakesNoColumnSlow) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  int taken_for_slow = 0;
  for (int column = 0; column < 5'000; ++column) {
    std::vector<Level> levels;
    for (size_t slot = 0; slot < 100; ++slot) levels.push_back({slot, normal(random)});
    taken_for_slow += pace_of(levels) != Pace::kAnew;
  }
  EXPECT_LE(taken_for_slow, 2);
}

TEST(SlowColumn, AnHourOfAnotherUnitIsAGlitch) {
  std::vector<double> values = spring(9);
  values[kBroken] = (values[kBroken] - 32) / 1.8;
  const Watched seen = watch(values);
  EXPECT_TRUE(seen.opened.empty());
  EXPECT_EQ(seen.lifted, kBroken);
}

}  // namespace
}  // namespace rekindle::drift
