#include "drift/sketch/near_ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>

#include "drift/distances/ks_bound.h"
#include "drift/distances/samples.h"
#include "drift/profile.h"
#include "drift/ranks.h"

namespace rekindle::drift {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<size_t> twentieths(size_t numbers) {
  std::vector<size_t> out;
  for (size_t k = 1; k < 20; ++k) out.push_back(numbers * k / 20);
  return out;
}

std::vector<double> normal(size_t numbers, uint32_t seed) {
  std::mt19937 dice(seed);
  std::normal_distribution<double> deal;
  std::vector<double> out(numbers);
  for (double& x : out) x = deal(dice);
  return out;
}

// Everything that can be asked, beside a sorted copy.
void expect_near(const std::vector<double>& values, double rank_error) {
  std::vector<double> sorted;
  for (const double value : values)
    if (std::isfinite(value)) sorted.push_back(value);
  std::ranges::sort(sorted);
  const std::vector<size_t> wanted = twentieths(sorted.size());
  const NearRanks ranks(values, wanted);
  EXPECT_EQ(ranks.least(), sorted.front());
  EXPECT_EQ(ranks.greatest(), sorted.back());
  const auto slack = static_cast<int64_t>(rank_error * static_cast<double>(sorted.size()));
  for (const size_t rank : wanted) {
    const double value = ranks.at(rank);
    const auto [first, behind] = std::ranges::equal_range(sorted, value);
    ASSERT_NE(first, behind) << value << " is none of the numbers";
    EXPECT_LE(first - sorted.begin(), static_cast<int64_t>(rank) + slack);
    EXPECT_GT(behind - sorted.begin(), static_cast<int64_t>(rank) - slack);
    EXPECT_EQ(ranks.below(value), static_cast<size_t>(first - sorted.begin()));
    const std::optional<double> above = ranks.above(value);
    ASSERT_EQ(above.has_value(), behind != sorted.end()) << rank;
    if (!above) continue;
    EXPECT_EQ(*above, *behind);
    EXPECT_EQ(ranks.below(*above), static_cast<size_t>(behind - sorted.begin()));
  }
}

// The same numbers as a sketch may hate them.
std::map<std::string, std::vector<double>> orders(const std::vector<double>& values) {
  std::map<std::string, std::vector<double>> out;
  auto& rising = out["rising"] = values;
  std::ranges::sort(rising);
  out["falling"].assign(rising.rbegin(), rising.rend());
  auto& zigzag = out["zigzag"];  // least, greatest, least but one, greatest but one, ...
  auto& pipes = out["organ pipes"];
  for (size_t i = 0; i < rising.size(); ++i)
    zigzag.push_back(i % 2 == 0 ? rising[i / 2] : rising[rising.size() - 1 - i / 2]);
  for (size_t i = 0; i < rising.size(); i += 2) pipes.push_back(rising[i]);
  for (size_t i = rising.size() - rising.size() % 2; i > 1; i -= 2) pipes.push_back(rising[i - 1]);
  auto& strides = out["strides"];  // every 32nd, then those beside them, ...
  for (size_t begin = 0; begin < 32; ++begin)
    for (size_t i = begin; i < rising.size(); i += 32) strides.push_back(rising[i]);
  out["as dealt"] = values;
  return out;
}

TEST(NearRanks, LieWithinTheErrorWhateverTheOrder) {
  std::map<std::string, std::vector<double>> kinds;
  kinds["normal"] = normal(200'000, 3);
  for (const double x : kinds["normal"]) {
    kinds["ties"].push_back(std::round(10 * x));
    kinds["one value"].push_back(x > 0.5 ? x : 0);
    kinds["wide"].push_back(std::exp(40 * x));
  }
  for (const auto& [kind, values] : kinds)
    for (const auto& [order, numbers] : orders(values)) {
      SCOPED_TRACE(kind + ", " + order);
      expect_near(numbers, NearRanks::rank_error());
    }
}

TEST(NearRanks, OfFewNumbersAreExact) {
  for (const size_t size : {1u, 2u, 19u, 700u}) {
    SCOPED_TRACE(size);
    expect_near(normal(size, 5), 0);
  }
  expect_near(std::vector<double>(500, 7.0), 0);
}

TEST(NearRanks, PassOverWhatIsNoNumber) {
  std::vector<double> values = normal(50'000, 7);
  for (size_t i = 0; i < values.size(); i += 3) values[i] = i % 2 == 0 ? kNan : i % 4 == 1 ? kInf : -kInf;
  expect_near(values, NearRanks::rank_error());
}

TEST(NearRanks, AreTheSameForTheSameRowsWhateverWasDoneBefore) {
  const std::vector<double> values = normal(100'000, 11);
  const std::vector<size_t> wanted = twentieths(values.size());
  const auto edges = [&] {
    const NearRanks ranks(values, wanted);
    std::vector<double> out;
    for (const size_t rank : wanted) out.push_back(ranks.at(rank));
    return out;
  };
  const std::vector<double> once = edges();
  const NearRanks other(normal(30'001, 13), twentieths(30'001));  // tosses the same coins
  EXPECT_EQ(edges(), once);
}

// A column of more numbers than are sorted: half of it one value, some missing.
std::vector<double> long_column() {
  std::vector<double> out = normal(kSortedMost + kSortedMost / 10, 17);
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] < 0) out[i] = 0;
    if (i % 50 == 0) out[i] = kNan;
  }
  return out;
}

TEST(LongReference, HasExactCountsBetweenNearEdges) {
  const std::vector<double> values = long_column();
  const v1::FeatureProfile profile = numeric_profile("x", values);
  const FeatureBins bins = FeatureBins::make(profile).value();
  std::vector<int64_t> counts(bins.size());
  for (const double value : values) ++counts[bins.bin(value)];
  EXPECT_EQ(std::vector<int64_t>(profile.counts().begin(), profile.counts().end()), counts);
  EXPECT_GT(profile.longest_run(), 5);
  // Zero has a bin of its own, each other one a twentieth but for the sketch's error at both ends.
  const auto numbers =
      static_cast<double>(values.size()) - static_cast<double>(counts[FeatureBins::kMissing]);
  EXPECT_NEAR(static_cast<double>(counts[2]) / numbers, 0.5, 0.002);
  ASSERT_GE(profile.edges_size(), 10);
  for (uint32_t bin = 4; bin + 1 < bins.above(); ++bin)
    EXPECT_NEAR(static_cast<double>(counts[bin]) / numbers, 0.05, 2 * NearRanks::rank_error()) << bin;
}

// What is said of the distance between all numbers must hold, though the edges are only near the quantiles.
TEST(LongReference, KeepsItsBoundsHonest) {
  const std::vector<double> reference = long_column();
  std::vector<double> numbers;
  for (const double value : reference)
    if (!std::isnan(value)) numbers.push_back(value);
  std::ranges::sort(numbers);
  const v1::FeatureProfile profile = numeric_profile("x", reference);
  const FeatureBins bins = FeatureBins::make(profile).value();
  for (const double shift : {0.0, 0.05, 0.5}) {
    std::vector<double> live = normal(5'000, 19);
    for (double& x : live) x = std::max(0.0, x + shift);
    std::vector<int64_t> counts(bins.size());
    for (const double value : live) ++counts[bins.bin(value)];
    const KsFromCounts found = ks_of_profile(profile, counts).value();
    std::ranges::sort(live);
    const double distance = ks_distance(numbers, live);
    EXPECT_GE(distance, found.distance - 1e-12) << shift;
    EXPECT_LE(distance, found.greatest + 1e-12) << shift;
  }
}

TEST(LongReference, IsSortedUpToTheLimit) {
  std::vector<double> values(kSortedMost);
  std::iota(values.begin(), values.end(), 0.0);
  EXPECT_EQ(numeric_profile("x", values).edges(6), static_cast<double>(kSortedMost * 7 / 20));
}

}  // namespace
}  // namespace rekindle::drift
