#include "drift/profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace rekindle::drift {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

int64_t total(const v1::FeatureProfile& p) {
  return std::accumulate(p.counts().begin(), p.counts().end(), int64_t{0});
}

TEST(NumericProfile, CutsTheReferenceIntoEqualParts) {
  std::vector<double> values;
  for (int i = 0; i < 2000; ++i) values.push_back((i * 37) % 2000);
  values.insert(values.end(), {kNan, kInf, -kInf});
  const auto profile = numeric_profile("x", values);
  EXPECT_EQ(profile.edges_size(), 19);
  EXPECT_EQ(profile.low(), 0);
  EXPECT_EQ(profile.high(), 1999);
  ASSERT_EQ(profile.counts_size(), 23);
  EXPECT_EQ(profile.counts(0), 3);
  EXPECT_EQ(profile.counts(1), 0);
  EXPECT_EQ(profile.counts(22), 0);
  for (int i = 2; i < 22; ++i) EXPECT_EQ(profile.counts(i), 100) << i;
}

TEST(NumericProfile, KeepsAValueThatFillsManyQuantilesInABinOfItsOwn) {
  std::vector<double> rain(1000, 0.0);
  for (int i = 0; i < 40; ++i) rain[static_cast<size_t>(i) * 25] = 0.01 * (i + 1);
  const auto profile = numeric_profile("precip", rain);
  ASSERT_GE(profile.edges_size(), 1);
  EXPECT_DOUBLE_EQ(profile.edges(0), 0.01);
  EXPECT_EQ(profile.counts(2), 960) << "no rain";
}

TEST(NumericProfile, TellsTheLongestRunOfOneValue) {
  const std::vector<double> values = {1, 1, kNan, 1, 2, 2, 1};
  EXPECT_EQ(numeric_profile("x", values).longest_run(), 3) << "missing rows do not break a run";
}

TEST(NumericProfile, ConstantAndAllMissingReferencesAreSound) {
  for (const auto& values :
       {std::vector<double>(50, 7.0), std::vector<double>(50, kNan), std::vector<double>()}) {
    const auto profile = numeric_profile("x", values);
    EXPECT_EQ(profile.edges_size(), 0);
    EXPECT_EQ(total(profile), static_cast<int64_t>(values.size()));
    const auto bins = FeatureBins::make(profile);
    ASSERT_TRUE(bins.ok());
    EXPECT_FALSE(bins->far(1e9)) << "a reference without width says nothing about range";
  }
}

TEST(FeatureBins, PutsEachValueIntoTheBinOfTheLayout) {
  v1::FeatureProfile p;
  p.set_name("x");
  p.set_low(0);
  p.set_high(10);
  for (double e : {2.0, 5.0, 10.0}) p.add_edges(e);
  p.mutable_counts()->Resize(7, 0);
  const auto bins = FeatureBins::make(p);
  ASSERT_TRUE(bins.ok());
  const struct {
    double value;
    uint32_t bin;
  } cases[] = {{kNan, 0}, {kInf, 0},  {-kInf, 0}, {-0.001, 1}, {0, 2},  {1.999, 2},
               {2, 3},    {4.999, 3}, {5, 4},     {9.999, 4},  {10, 5}, {10.001, 6}};
  for (const auto& c : cases) EXPECT_EQ(bins->bin(c.value), c.bin) << c.value;
  EXPECT_FALSE(bins->far(40));
  EXPECT_TRUE(bins->far(40.1));
  EXPECT_TRUE(bins->far(-30.1));
}

TEST(FeatureBins, AgreesWithALinearSearchForAnyNumberOfEdges) {
  for (int n = 0; n < 45; ++n) {
    v1::FeatureProfile p;
    p.set_low(-1);
    p.set_high(n);
    for (int i = 0; i < n; ++i) p.add_edges(i + 0.5);
    p.mutable_counts()->Resize(n + 4, 0);
    const auto bins = FeatureBins::make(p);
    ASSERT_TRUE(bins.ok());
    for (double x = -1; x <= n; x += 0.25) {
      uint32_t expected = 2;
      for (double edge : p.edges()) expected += edge <= x;
      ASSERT_EQ(bins->bin(x), expected) << n << " edges, " << x;
    }
  }
}

// Cells of equal width say little of such references; what is counted is the same.
TEST(FeatureBins, AgreesWithALinearSearchForAnyRange) {
  constexpr double kMost = std::numeric_limits<double>::max(),
                   kLeast = std::numeric_limits<double>::denorm_min();
  const std::vector<std::vector<double>> references = {
      {-kMost, -1, 0, 1, kMost},                       // wider than any number
      {0, kLeast, 2 * kLeast, 3 * kLeast},             // narrower than can be divided
      {1e300, std::nextafter(1e300, kMost), 1.5e300},  //
      {-1e9, 0, 1e-9, 2e-9, 3e-9, 1e9},                // nearly all in one cell
      {7, 7, 7}};
  for (const auto& reference : references) {
    const v1::FeatureProfile profile = numeric_profile("x", reference, 20);
    const FeatureBins bins = FeatureBins::make(profile).value();
    std::vector<double> values = reference;
    for (const double value : reference) {
      values.push_back(std::nextafter(value, kMost));
      values.push_back(std::nextafter(value, -kMost));
      values.push_back(value / 2);
    }
    for (const double value : values) {
      uint32_t expected = 2;
      for (const double edge : profile.edges()) expected += edge <= value;
      if (value < profile.low()) expected = FeatureBins::kBelow;
      if (value > profile.high()) expected = bins.above();
      EXPECT_EQ(bins.bin(value), expected) << value << " in a reference of " << reference.size();
    }
  }
}

TEST(FeatureBins, RefusesContradictions) {
  v1::FeatureProfile p;
  p.set_high(10);
  p.add_edges(5);
  p.add_edges(5);
  p.mutable_counts()->Resize(6, 0);
  EXPECT_FALSE(FeatureBins::make(p).ok()) << "edges must rise";
  p.set_edges(1, 11);
  EXPECT_FALSE(FeatureBins::make(p).ok()) << "an edge beyond the range";
  p.set_edges(1, 6);
  EXPECT_TRUE(FeatureBins::make(p).ok());
  p.add_counts(0);
  EXPECT_FALSE(FeatureBins::make(p).ok()) << "counts for a bin that is not there";
  p.mutable_counts()->Resize(6, 0);
  p.set_low(kNan);
  EXPECT_FALSE(FeatureBins::make(p).ok());
}

TEST(CategoryTally, OrdersByFrequencyThenNameAndCapsTheRest) {
  CategoryTally tally;
  for (const char* v : {"b", "a", "c", "c", "d", "b", "e"}) tally.add(v);
  tally.add_missing();
  const auto p = tally.profile("carrier", 3);
  ASSERT_EQ(p.values_size(), 3);
  EXPECT_EQ(p.values(0), "b");
  EXPECT_EQ(p.values(1), "c");
  EXPECT_EQ(p.values(2), "a");
  EXPECT_EQ((std::vector<int64_t>(p.counts().begin(), p.counts().end())),
            (std::vector<int64_t>{1, 2, 2, 2, 1}));
  EXPECT_EQ(p.longest_run(), 2);
  const auto bins = FeatureBins::make(p);
  ASSERT_TRUE(bins.ok());
  EXPECT_EQ(bins->bin("b"), 2u);
  EXPECT_EQ(bins->bin("d"), FeatureBins::kOther);
  EXPECT_EQ(bins->bin("never seen"), FeatureBins::kOther);
}

v1::Profile two_features() {
  v1::Profile profile;
  std::vector<double> x;
  for (int i = 0; i < 100; ++i) x.push_back(i);
  *profile.add_features() = numeric_profile("x", x, 4);
  CategoryTally tally;
  for (const char* v : {"EWR", "EWR", "JFK"}) tally.add(v);
  *profile.add_features() = tally.profile("origin");
  std::vector<double> p;
  for (int i = 0; i < 100; ++i) p.push_back(i / 100.0);
  *profile.mutable_prediction() = numeric_profile(kPrediction, p, 4);
  return profile;
}

TEST(Counts, OfSeveralNodesAddUpToThoseOfOne) {
  const auto bins = ProfileBins::make(two_features());
  ASSERT_TRUE(bins.ok());
  const Micros hour = std::chrono::hours(1);
  CountsBuilder one(*bins, 3, hour), left(*bins, 3, hour), right(*bins, 3, hour);
  const Time start = time_from_micros(1'360'000'000'000'000);
  const auto count = [](CountsBuilder& b, Time t, double x, const char* origin, double p) {
    SlotCounter& slot = b.at(t);
    slot.add_rows(1);
    slot.add_numbers(0, std::span(&x, 1));
    if (origin == nullptr)
      slot.add_missing(1);
    else
      slot.add_text(1, origin);
    slot.add_predictions(std::span(&p, 1));
  };
  for (int i = 0; i < 500; ++i) {
    const Time t = start + std::chrono::minutes((i * 7) % 240);
    const double x = i % 50 == 0 ? kNan : i * 1.7 - 100;
    const char* origin = i % 11 == 0 ? nullptr : i % 3 == 0 ? "JFK" : i % 5 == 0 ? "LGA" : "EWR";
    count(one, t, x, origin, (i % 100) / 100.0);
    count(i % 2 == 0 ? left : right, t, x, origin, (i % 100) / 100.0);
  }
  auto whole = one.take(), a = left.take(), b = right.take();
  EXPECT_TRUE(one.empty());
  ASSERT_EQ(a.size(), whole.size());
  ASSERT_EQ(b.size(), whole.size());
  int64_t rows = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    ASSERT_TRUE(add_counts(a[i], b[i]).ok());
    EXPECT_EQ(a[i].SerializeAsString(), whole[i].SerializeAsString());
    rows += whole[i].rows();
    for (const auto& f : whole[i].features())
      EXPECT_EQ(std::accumulate(f.counts().begin(), f.counts().end(), int64_t{0}), whole[i].rows())
          << f.name();
  }
  EXPECT_EQ(rows, 500);
  EXPECT_GT(whole.back().features(0).far(), 0);
}

TEST(Counts, RefuseAnotherLayoutAndStayAsTheyWere) {
  const auto bins = ProfileBins::make(two_features());
  CountsBuilder builder(*bins, 1, std::chrono::hours(1));
  builder.at(time_from_micros(0)).add_rows(1);
  v1::SlotCounts counts = builder.take().front();
  const std::string before = counts.SerializeAsString();
  v1::SlotCounts other = counts;
  other.mutable_features(1)->add_counts(0);
  EXPECT_FALSE(add_counts(counts, other).ok());
  other = counts;
  other.mutable_features(0)->set_name("y");
  EXPECT_FALSE(add_counts(counts, other).ok());
  other = counts;
  other.set_version(2);
  EXPECT_FALSE(add_counts(counts, other).ok());
  EXPECT_EQ(counts.SerializeAsString(), before);
}

TEST(SlotStart, RoundsTowardsThePast) {
  const Micros hour = std::chrono::hours(1);
  EXPECT_EQ(to_micros(slot_start(time_from_micros(3'599'999'999), hour)), 0);
  EXPECT_EQ(to_micros(slot_start(time_from_micros(3'600'000'000), hour)), 3'600'000'000);
  EXPECT_EQ(to_micros(slot_start(time_from_micros(-1), hour)), -3'600'000'000);
}

}  // namespace
}  // namespace rekindle::drift
