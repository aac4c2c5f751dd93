#include "drift/ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace rekindle::drift {
namespace {

// Everything that can be asked, beside a sorted copy.
void expect_as_sorted(const std::vector<double>& values) {
  std::vector<size_t> wanted;
  for (size_t k = 0; k < 20; ++k) wanted.push_back(values.size() * k / 20);
  const Ranks ranks(values, wanted);
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  EXPECT_EQ(ranks.least(), sorted.front());
  EXPECT_EQ(ranks.greatest(), sorted.back());
  for (const size_t rank : wanted) {
    const double value = ranks.at(rank);
    ASSERT_EQ(value, sorted[rank]) << rank;
    EXPECT_EQ(ranks.below(value),
              static_cast<size_t>(std::ranges::lower_bound(sorted, value) - sorted.begin()));
    const auto above = std::ranges::upper_bound(sorted, value);
    const std::optional<double> found = ranks.above(value);
    ASSERT_EQ(found.has_value(), above != sorted.end()) << rank;
    if (!found) continue;
    EXPECT_EQ(*found, *above);
    EXPECT_EQ(ranks.below(*found), static_cast<size_t>(above - sorted.begin()));
  }
}

TEST(Ranks, AreThoseOfSortedValues) {
  std::mt19937 dice(11);
  std::normal_distribution<double> normal;
  for (const size_t size : {1u, 2u, 19u, 1'000u, 30'000u}) {
    SCOPED_TRACE(size);
    std::vector<double> values[5];
    for (size_t i = 0; i < size; ++i) {
      const double x = normal(dice);
      values[0].push_back(x);
      values[1].push_back(std::round(3 * x));   // many equal ones
      values[2].push_back(std::exp(20 * x));    // nearly all in one cell
      values[3].push_back(i % 7 == 0 ? x : 0);  // mostly one value
      values[4].push_back(4);
    }
    for (const auto& of : values) expect_as_sorted(of);
  }
}

TEST(Ranks, OfRangesThatCannotBeDivided) {
  constexpr double kMost = std::numeric_limits<double>::max(),
                   kLeast = std::numeric_limits<double>::denorm_min();
  expect_as_sorted({-kMost, kMost, 0, 1, -1, kMost});
  expect_as_sorted({kLeast, 0, 2 * kLeast, kLeast});
  expect_as_sorted({1e300, std::nextafter(1e300, kMost)});
}

}  // namespace
}  // namespace rekindle::drift
