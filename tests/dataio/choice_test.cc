#include "dataio/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "proto/time.h"

namespace rekindle::dataio {
namespace {

constexpr int64_t kDay = 86'400'000'000;

// A hundred rows a day, four at a time; one in ten is of class 1, one in a hundred of class 2.
struct Days {
  std::vector<int64_t> times;
  std::vector<double> labels;
  explicit Days(int from, int until) {
    for (int64_t day = from; day < until; ++day)
      for (int i = 0; i < 100; ++i) {
        times.push_back(day * kDay + i / 4 * 1'000'000);
        labels.push_back(i == 7 ? 2 : i % 10 == 3 ? 1 : 0);
      }
  }
  ChoiceRows window() const { return {times, labels, times.back() / kDay * kDay + kDay}; }
  std::set<std::pair<int64_t, int64_t>> of(const std::vector<uint32_t>& kept) const {
    std::set<std::pair<int64_t, int64_t>> out;
    for (const uint32_t row : kept) {
      int64_t same = 0;
      while (row > same && times[row - static_cast<size_t>(same) - 1] == times[row]) ++same;
      out.emplace(times[row], same);
    }
    return out;
  }
};

v1::Rows decay(int days) {
  v1::Rows rows;
  *rows.mutable_decay()->mutable_half_life() = to_proto(Micros(days * kDay));
  return rows;
}

TEST(Choice, AllWhereTheWindowIsTheChoice) {
  const Days days(0, 10);
  v1::Rows rows;
  rows.mutable_last();
  EXPECT_EQ(chosen(rows, 1, days.window()).size(), 1000u);
  rows.mutable_since_drift();
  EXPECT_EQ(chosen(rows, 1, days.window()).size(), 1000u);
}

TEST(Choice, DecayHalvesByTheHalfLife) {
  const Days days(0, 200);
  const auto kept = chosen(decay(20), 1, days.window());
  ASSERT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  for (const int age : {5, 20, 40, 80}) {
    double seen = 0, meant = 0;
    for (int day = 199 - age - 5; day < 199 - age + 5; ++day) {
      if (day >= 200) continue;
      for (const uint32_t row : kept) seen += days.times[row] / kDay == day;
      meant += 100 * std::exp2(-(199.5 - day) / 20);
    }
    EXPECT_NEAR(seen, meant, 4 * std::sqrt(meant)) << "around day " << age;
  }
}

TEST(Choice, WhatIsGoneStaysGone) {
  const Days early(0, 60), late(10, 70);  // a window ten days on
  const auto before = early.of(chosen(decay(20), 9, early.window()));
  for (const auto& row : late.of(chosen(decay(20), 9, late.window())))
    if (row.first < 60 * kDay) EXPECT_TRUE(before.contains(row)) << row.first / kDay;
  EXPECT_NE(early.of(chosen(decay(20), 10, early.window())), before) << "another seed, another draw";
  EXPECT_EQ(early.of(chosen(decay(20), 9, early.window())), before);
}

TEST(Choice, AReservoirKeepsTheNewestAndAnEvenDrawOfTheRest) {
  const Days days(0, 100);
  v1::Rows rows;
  *rows.mutable_reservoir()->mutable_recent() = to_proto(Micros(10 * kDay));
  rows.mutable_reservoir()->set_rows(1800);
  const auto kept = chosen(rows, 3, days.window());
  ASSERT_EQ(kept.size(), 1000u + 1800u);
  ASSERT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  std::vector<int> thirds(3);
  for (const uint32_t row : kept)
    if (days.times[row] < 90 * kDay) ++thirds[static_cast<size_t>(days.times[row] / kDay / 30)];
  for (const int third : thirds) EXPECT_NEAR(third, 600, 80);
  // A draw of more holds the draw of less: rows replayed once are replayed again.
  rows.mutable_reservoir()->set_rows(500);
  const auto fewer = chosen(rows, 3, days.window());
  EXPECT_TRUE(std::includes(kept.begin(), kept.end(), fewer.begin(), fewer.end()));
  rows.mutable_reservoir()->set_rows(1'000'000);
  EXPECT_EQ(chosen(rows, 3, days.window()).size(), 10'000u) << "fewer than asked for: all of them";
}

TEST(Choice, ABalancedWindowHasAsManyOfEachClass) {
  const Days days(0, 50);
  v1::Rows rows;
  rows.mutable_balanced();
  std::vector<int> classes(3);
  const auto kept = chosen(rows, 5, days.window());
  for (const uint32_t row : kept) ++classes[static_cast<size_t>(days.labels[row])];
  EXPECT_THAT(classes, ::testing::ElementsAre(50, 50, 50));
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  double mean = 0;
  for (const uint32_t row : kept) mean += static_cast<double>(days.times[row]) / kDay / 150;
  EXPECT_NEAR(mean, 25, 4) << "of all times alike";
}

}  // namespace
}  // namespace rekindle::dataio
