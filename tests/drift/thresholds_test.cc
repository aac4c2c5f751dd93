// Honest thresholds: scipy's false_discovery_control, and what must hold whatever the numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "drift/distances/counts.h"
#include "drift/distances/ks_bound.h"
#include "drift/profile.h"
#include "drift/psi.h"
#include "drift/thresholds/chance.h"
#include "drift/thresholds/joint.h"
#include "drift/thresholds/multiple.h"
#include "tests/drift/golden.h"

namespace rekindle::drift {
namespace {

// --- many tests at once ---

TEST(Multiple, AdjustedPValuesEqualScipy) {
  for (const auto& value : golden().at("false_discoveries").as_array()) {
    const auto p = numbers<double>(value.at("p"));
    const auto bh = numbers<double>(value.at("bh")), by = numbers<double>(value.at("by"));
    const auto found = benjamini_hochberg(p), strict = benjamini_hochberg(p, Dependence::kAny);
    ASSERT_EQ(found.size(), bh.size());
    for (size_t i = 0; i < p.size(); ++i) {
      EXPECT_NEAR(found[i], bh[i], 1e-9 * bh[i]);
      EXPECT_NEAR(strict[i], by[i], 1e-9 * by[i]);
    }
  }
}

std::vector<double> p_values(Uniform& uniform, size_t count) {
  std::vector<double> out(count);
  for (double& p : out) p = uniform() < 0.3 ? uniform() * 0.01 : uniform();
  return out;
}

TEST(Multiple, AdjustedPValuesKeepTheOrderAndLieBetweenPlainAndBonferroni) {
  Uniform uniform(41);
  for (int round = 0; round < 300; ++round) {
    const auto p = p_values(uniform, 1 + static_cast<size_t>(uniform() * 40));
    const auto bh = benjamini_hochberg(p), bonf = bonferroni(p);
    for (size_t i = 0; i < p.size(); ++i) {
      EXPECT_GE(bh[i], p[i]);
      EXPECT_LE(bh[i], bonf[i] * (1 + 1e-12));
      for (size_t j = 0; j < p.size(); ++j) EXPECT_TRUE(p[i] >= p[j] || bh[i] <= bh[j]);
    }
    // Weights that are all alike change nothing.
    const auto same = weighted(p, std::vector<double>(p.size(), 3.5));
    for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(same[i], p[i], 1e-12);
  }
}

// 20 features of which `moved` have moved: the mean share of false ones among those that fire.
double false_share(Uniform& uniform, size_t moved, bool by_weight) {
  double sum = 0;
  constexpr int kRounds = 2000;
  std::vector<double> weights(20);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(1 + i % 4);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> p(20);
    for (size_t i = 0; i < p.size(); ++i) p[i] = i < moved ? std::pow(uniform(), 6) : uniform();
    const auto adjusted = benjamini_hochberg(by_weight ? weighted(p, weights) : p);
    double fired = 0, wrong = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      if (adjusted[i] > 0.1) continue;
      ++fired;
      wrong += i >= moved;
    }
    sum += fired > 0 ? wrong / fired : 0;
  }
  return sum / kRounds;
}

TEST(Multiple, TheShareOfFalseAlarmsStaysWithinWhatIsAllowed) {
  Uniform uniform(42);
  for (const size_t moved : {size_t{0}, size_t{5}, size_t{15}})
    for (const bool by_weight : {false, true}) {
      const double share = false_share(uniform, moved, by_weight);
      EXPECT_LE(share, 0.1 + 0.02) << moved << " of 20 moved";
      // Exactly the share of features that have not moved, for independent tests without weights.
      if (!by_weight) {
        EXPECT_NEAR(share, 0.1 * static_cast<double>(20 - moved) / 20, 0.02);
      }
    }
}

TEST(Multiple, FindsWhatBonferroniMisses) {
  Uniform uniform(43);
  int bh = 0, bonf = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<double> p(20);
    for (size_t i = 0; i < p.size(); ++i) p[i] = i < 10 ? std::pow(uniform(), 6) : uniform();
    for (const double x : benjamini_hochberg(p)) bh += x <= 0.01;
    for (const double x : bonferroni(p)) bonf += x <= 0.01;
  }
  EXPECT_GT(bh, bonf + 100);
}

// --- chance ---

std::vector<int64_t> drawn(Uniform& uniform, int64_t rows, const std::vector<double>& upto) {
  std::vector<int64_t> out(upto.size());
  for (int64_t i = 0; i < rows; ++i)
    ++out[static_cast<size_t>(std::ranges::upper_bound(upto, uniform()) - upto.begin())];
  return out;
}

double measure(Distance distance, Counts reference, Counts live) {
  switch (distance) {
    case Distance::kPsi:
      return psi(reference, live).value;
    case Distance::kKullbackLeibler:
      return kullback_leibler(reference, live);
    case Distance::kJensenShannon:
      return jensen_shannon(reference, live);
    case Distance::kHellinger:
      return hellinger(reference, live);
    case Distance::kKolmogorovSmirnov:
      return ks_from_counts(reference, live).distance;
  }
  return 0;
}

constexpr std::array kAll = {Distance::kPsi, Distance::kKullbackLeibler, Distance::kJensenShannon,
                             Distance::kHellinger, Distance::kKolmogorovSmirnov};

std::vector<double> bins_of(int bins, bool even) {
  std::vector<double> upto(static_cast<size_t>(bins));
  for (size_t i = 0; i < upto.size(); ++i) {
    const double at = static_cast<double>(i + 1) / static_cast<double>(bins);
    upto[i] = even ? at : std::sqrt(at);
  }
  upto.back() = 1;
  return upto;
}

// How often pure noise exceeds its own null quantile of 5 %, per distance.
std::array<double, kAll.size()> false_alarms(Uniform& uniform, int64_t n, int64_t m, int bins, bool even) {
  constexpr int kRounds = 800;
  std::array<double, kAll.size()> out{};
  std::array<double, kAll.size()> limits{};
  const auto upto = bins_of(bins, even);
  for (size_t k = 0; k < kAll.size(); ++k) limits[k] = null_quantile(kAll[k], 0.05, {bins, n, m});
  for (int round = 0; round < kRounds; ++round) {
    const auto reference = drawn(uniform, n, upto), live = drawn(uniform, m, upto);
    for (size_t k = 0; k < kAll.size(); ++k)
      out[k] += measure(kAll[k], reference, live) > limits[k] ? 1.0 / kRounds : 0;
  }
  return out;
}

TEST(Chance, NoiseExceedsItsNullQuantileAsOftenAsItSays) {
  Uniform uniform(44);
  for (const auto& [n, m, bins, even] : {std::tuple{1000, 1000, 10, true}, std::tuple{4000, 300, 20, true},
                                         std::tuple{3000, 500, 12, false}, std::tuple{500, 500, 2, true}}) {
    const auto rates = false_alarms(uniform, n, m, bins, even);
    for (size_t k = 0; k + 1 < kAll.size(); ++k) {
      EXPECT_GE(rates[k], 0.025) << "distance " << k << ", " << bins << " bins";
      EXPECT_LE(rates[k], 0.08) << "distance " << k << ", " << bins << " bins";
    }
    EXPECT_LE(rates.back(), 0.06) << "bins only make KS smaller";
  }
}

TEST(Chance, IsTheOtherWayRoundOfTheNullQuantile) {
  for (const Distance distance : kAll)
    for (const double tail : {0.2, 0.05, 0.01, 1e-4})
      for (const Sizes& sizes : {Sizes{10, 1000, 1000}, Sizes{24, 27004, 6000}, Sizes{5, 90, 1000}}) {
        const double limit = null_quantile(distance, tail, sizes);
        EXPECT_NEAR(chance(distance, limit, sizes), tail, 1e-4 * tail);
        EXPECT_LT(chance(distance, limit * 1.01, sizes), tail);
        EXPECT_GT(chance(distance, limit * 0.99, sizes), tail);
      }
}

TEST(Chance, OfKsGoesOverIntoItsBoundWithoutAStep) {
  const auto limit = [](double tail, int64_t rows) {
    return null_quantile(Distance::kKolmogorovSmirnov, tail, {0, rows, rows});
  };
  for (const double tail : {0.05, 0.01, 1e-4}) {
    const double exact = limit(tail, 20'000) * std::sqrt(20'000),
                 bound = limit(tail, 20'002) * std::sqrt(20'002);
    EXPECT_GE(bound, exact);
    EXPECT_LE(bound, exact * 1.002);
    // sqrt(ln(2 / tail) / 2) for as many rows as there may be, and at once.
    EXPECT_NEAR(limit(tail, 2'000'000'000) * std::sqrt(1e9), std::sqrt(std::log(2 / tail) / 2), 1e-6);
  }
  EXPECT_NEAR(limit(1e-9, 2), 1, 1e-8);
  EXPECT_LE(limit(1e-9, 2), 1) << "never more than there is";
}

TEST(Chance, OfPsiIsWhatScoresUse) {
  EXPECT_DOUBLE_EQ(null_quantile(Distance::kPsi, 0.01, {20, 5000, 500}), null_quantile(20, 0.01, 5000, 500));
}

TEST(Chance, FewRowsAreRuledByChanceManyByTheUser) {
  for (const Distance distance : kAll) {
    double last = std::numeric_limits<double>::infinity();
    for (const int64_t rows : {30, 100, 1000, 10'000, 1'000'000}) {
      const double limit = null_quantile(distance, 0.01, {10, rows, rows});
      EXPECT_LT(limit, last) << "more rows, less noise";
      last = limit;
      EXPECT_EQ(alarm_threshold(distance, 0.1, 0.01, {10, rows, rows}), std::max(0.1, limit));
    }
    EXPECT_GT(alarm_threshold(distance, 0.1, 0.01, {10, 30, 30}), 0.1);
    EXPECT_EQ(alarm_threshold(distance, 0.1, 0.01, {10, 1'000'000, 1'000'000}), 0.1);
  }
  EXPECT_EQ(null_quantile(Distance::kPsi, 0.01, {1, 100, 100}), 0);
  EXPECT_EQ(chance(Distance::kPsi, 0.3, {1, 100, 100}), 1);
  EXPECT_TRUE(std::isinf(null_quantile(Distance::kKolmogorovSmirnov, 0.01, {10, 100, 0})));
  EXPECT_EQ(chance(Distance::kHellinger, 0.3, {10, 100, 0}), 1);
}

// --- the joint rule ---

TEST(Joint, AFeatureFiresWhenItIsBothOverTheThresholdAndMoreThanChance) {
  const FeatureScore moved{0.4, 0.25, 1e-6}, certain_but_small{0.02, 0.25, 1e-9},
      large_but_noise{0.5, 0.25, 0.4};
  const std::vector<FeatureScore> all = {moved, certain_but_small, large_but_noise};
  const JointVerdict verdict = judge(all, {});
  EXPECT_EQ(verdict.fired, (std::vector<bool>{true, false, false}));
  EXPECT_TRUE(verdict.alarm);
  EXPECT_NEAR(verdict.weight_share, 1.0 / 3, 1e-12);
  EXPECT_FALSE(judge(std::span(all).subspan(1), {}).alarm);
  EXPECT_FALSE(judge({}, {}).alarm);
}

TEST(Joint, WhatTheModelDoesNotUseNeitherFiresNorMakesOthersStricter) {
  FeatureScore borderline{0.4, 0.25, 0.009}, useless{0.9, 0.25, 0.5, 0};
  std::vector<FeatureScore> features = {borderline};
  features.resize(50, useless);
  const JointVerdict verdict = judge(features, {});
  EXPECT_TRUE(verdict.fired[0]);
  EXPECT_EQ(std::ranges::count(verdict.fired, true), 1);
  EXPECT_EQ(verdict.weight_share, 1);
}

TEST(Joint, TheShareOfWeightDecides) {
  std::vector<FeatureScore> features(10, FeatureScore{0.1, 0.25, 0.5, 1});
  features[3] = {0.9, 0.25, 1e-9, 1};
  EXPECT_TRUE(judge(features, {.weight_share = 0}).alarm);
  EXPECT_FALSE(judge(features, {.weight_share = 0.3}).alarm);
  features[3].weight = 9;  // half of all weight
  EXPECT_TRUE(judge(features, {.weight_share = 0.3}).alarm);
}

TEST(Joint, DoesNotDependOnTheOrderOfFeaturesAndMoreEvidenceNeverClearsAnAlarm) {
  Uniform uniform(45);
  for (int round = 0; round < 300; ++round) {
    std::vector<FeatureScore> features(2 + static_cast<size_t>(uniform() * 12));
    for (auto& f : features) f = {uniform(), 0.3, std::pow(uniform(), 4), std::floor(uniform() * 3)};
    const JointRule rule{.false_discoveries = 0.05, .weight_share = 0.2, .weighted_evidence = round % 2 == 0};
    const JointVerdict before = judge(features, rule);
    auto turned = features;
    std::ranges::rotate(turned, turned.begin() + 1);
    const JointVerdict after = judge(turned, rule);
    for (size_t i = 0; i < features.size(); ++i)
      EXPECT_EQ(before.fired[i], after.fired[(i + features.size() - 1) % features.size()]);
    EXPECT_EQ(before.alarm, after.alarm);
    auto stronger = features;
    for (auto& f : stronger) f.p /= 10;
    EXPECT_GE(judge(stronger, rule).alarm, before.alarm);
  }
}

TEST(Joint, PersistenceCountsTheLastWindowsAlone) {
  const std::vector<bool> windows = {true, true, true, false, false};
  EXPECT_FALSE(persistent(windows, 2, 3));
  EXPECT_TRUE(persistent(windows, 2, 4));
  EXPECT_TRUE(persistent({true, true}, 2, 3)) << "two are enough before there are three";
  EXPECT_FALSE(persistent({}, 1, 3));
  Uniform uniform(46);
  for (int round = 0; round < 500; ++round) {
    std::vector<bool> past(static_cast<size_t>(uniform() * 9));
    for (size_t i = 0; i < past.size(); ++i) past[i] = uniform() < 0.5;
    const size_t of = 1 + static_cast<size_t>(uniform() * 5);
    const size_t hits = 1 + static_cast<size_t>(uniform() * static_cast<double>(of));
    size_t counted = 0;
    for (size_t back = 1; back <= std::min(of, past.size()); ++back) counted += past[past.size() - back];
    EXPECT_EQ(persistent(past, hits, of), counted >= hits);
  }
}

TEST(Joint, HysteresisDoesNotFlicker) {
  EXPECT_TRUE(standing(false, 0.31, 0.3, 0.2));
  EXPECT_FALSE(standing(false, 0.25, 0.3, 0.2));
  EXPECT_TRUE(standing(true, 0.25, 0.3, 0.2));
  EXPECT_FALSE(standing(true, 0.19, 0.3, 0.2));
  EXPECT_TRUE(standing(true, std::nan(""), 0.3, 0.2)) << "what was not judged changes nothing";
  // Noise around the threshold: with a gap wider than the noise it changes at most once.
  Uniform uniform(47);
  bool bare = false, held = false;
  int bare_changes = 0, held_changes = 0;
  for (int i = 0; i < 1000; ++i) {
    const double value = 0.3 + 0.08 * (uniform() - 0.5);
    const bool next_bare = standing(bare, value, 0.3, 0.3), next_held = standing(held, value, 0.3, 0.2);
    bare_changes += next_bare != bare;
    held_changes += next_held != held;
    bare = next_bare;
    held = next_held;
  }
  EXPECT_GT(bare_changes, 100);
  EXPECT_LE(held_changes, 1);
}

// --- KS from counts ---

std::vector<double> sample(Uniform& uniform, size_t count, double power, double shift, double steps) {
  std::vector<double> out(count);
  for (double& x : out) {
    x = std::pow(uniform(), power) + shift;
    if (steps > 0) x = std::floor(x * steps) / steps;
  }
  return out;
}

TEST(KsFromCounts, BoundsTheDistanceOfTheNumbers) {
  Uniform uniform(48);
  double widest = 0;
  for (int round = 0; round < 400; ++round) {
    const double steps = round % 4 == 0 ? 1 + std::floor(uniform() * 30) : 0;
    auto reference = sample(uniform, 2 + static_cast<size_t>(uniform() * 900), 1 + uniform(), 0, steps);
    auto live =
        sample(uniform, 1 + static_cast<size_t>(uniform() * 400), 1 + uniform(), uniform() - 0.5, steps);
    if (round % 5 == 0) live.push_back(std::nan(""));
    const int bins = 2 + static_cast<int>(uniform() * 30);
    const v1::FeatureProfile profile = numeric_profile("x", reference, bins);
    const auto made = FeatureBins::make(profile);
    std::vector<int64_t> counts(made->size());
    for (const double x : live) ++counts[made->bin(x)];
    const auto found = ks_of_profile(profile, counts);
    ASSERT_TRUE(found.ok()) << found.status().message();
    std::erase_if(live, [](double x) { return std::isnan(x); });
    std::ranges::sort(reference);
    std::ranges::sort(live);
    const double exact = ks_distance(reference, live);
    EXPECT_GE(exact, found->distance - 1e-12);
    EXPECT_LE(exact - found->distance, found->bound + 1e-12);
    EXPECT_LE(exact, found->greatest + 1e-12);
    EXPECT_LE(found->greatest, found->distance + found->bound + 1e-12) << "the sharper bound is one";
    widest = std::max(widest, exact - found->distance);
  }
  EXPECT_GT(widest, 0.05) << "the bound is for something";
}

TEST(KsFromCounts, IsExactWhereEachValueHasItsBin) {
  Uniform uniform(49);
  auto reference = sample(uniform, 500, 1, 0, 6), live = sample(uniform, 300, 2, 0, 6);
  std::vector<int64_t> p(6), q(6);
  for (const double x : reference) ++p[static_cast<size_t>(std::lround(x * 6))];
  for (const double x : live) ++q[static_cast<size_t>(std::lround(x * 6))];
  std::ranges::sort(reference);
  std::ranges::sort(live);
  EXPECT_NEAR(ks_from_counts(p, q).distance, ks_distance(reference, live), 1e-12);
}

TEST(KsFromCounts, TheBoundIsReachedWhenTheSidesPartInsideABin) {
  const std::vector<int64_t> one = {10};
  const KsFromCounts found = ks_from_counts(one, one);
  EXPECT_EQ(found.distance, 0);
  EXPECT_EQ(found.greatest, 1) << "0 0 0 against 1 1 1 in one bin";
  const std::vector<int64_t> p = {5, 5, 0}, q = {0, 0, 10};
  EXPECT_EQ(ks_from_counts(p, q).greatest, 1);
  EXPECT_EQ(ks_from_counts(p, q).distance, 1) << "nothing is left to chance between bins that one side holds";
}

TEST(KsFromCounts, RefusesWhatHasNoOrderOrNoRows) {
  v1::FeatureProfile profile;
  for (const int64_t n : {3, 0, 5, 0}) profile.add_counts(n);
  EXPECT_TRUE(ks_of_profile(profile, std::vector<int64_t>{0, 0, 4, 4}).ok());
  EXPECT_EQ(ks_of_profile(profile, std::vector<int64_t>{4, 0, 0, 0}).status().code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(ks_of_profile(profile, std::vector<int64_t>{4, 0, 0}).status().code(), Code::kInvalidArgument);
  profile.set_categorical(true);
  EXPECT_EQ(ks_of_profile(profile, std::vector<int64_t>{0, 0, 4, 4}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace rekindle::drift
