#include "base/stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace rekindle {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;

using Values = std::vector<double>;

// Every pair counted, which is what the ranks stand for.
double auroc_by_pairs(const Values& labels, const Values& scores) {
  double won = 0, pairs = 0;
  for (size_t i = 0; i < labels.size(); ++i)
    for (size_t j = 0; j < labels.size(); ++j) {
      if (labels[i] != 1 || labels[j] != 0) continue;
      pairs += 1;
      won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
    }
  return won / pairs;
}

TEST(Stats, AurocOfKnownCases) {
  EXPECT_EQ(auroc(Values{0, 0, 1, 1}, Values{0.1, 0.4, 0.35, 0.8}), 0.75);
  EXPECT_EQ(auroc(Values{0, 1}, Values{0.1, 0.2}), 1);
  EXPECT_EQ(auroc(Values{1, 0}, Values{0.1, 0.2}), 0);
  EXPECT_EQ(auroc(Values{1, 0, 1, 0}, Values{5, 5, 5, 5}), 0.5);
  EXPECT_TRUE(std::isnan(auroc(Values{1, 1}, Values{1, 2})));
  EXPECT_TRUE(std::isnan(auroc_parts(Values{1, 1}, Values{1, 2})[1]));
  EXPECT_TRUE(std::isnan(auroc(Values{}, Values{})));
}

TEST(Stats, AurocEqualsTheCountOfPairs) {
  uint64_t state = 1;
  for (int round = 0; round < 20; ++round) {
    Values labels, scores;
    for (int i = 0; i < 60; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      labels.push_back(static_cast<double>((state >> 60) % 3 == 0));
      scores.push_back(static_cast<double>((state >> 40) % 9));  // many ties
    }
    EXPECT_NEAR(auroc(labels, scores), auroc_by_pairs(labels, scores), 1e-12);
    // Each row's part, by pairs, and their means.
    const Values parts = auroc_parts(labels, scores);
    Values of_class[2];
    for (size_t i = 0; i < labels.size(); ++i) {
      double won = 0, pairs = 0;
      for (size_t j = 0; j < labels.size(); ++j) {
        if (labels[i] == labels[j]) continue;
        const double ahead = labels[i] > 0.5 ? scores[i] - scores[j] : scores[j] - scores[i];
        won += ahead > 0 ? 1 : ahead == 0 ? 0.5 : 0;
        ++pairs;
      }
      EXPECT_NEAR(parts[i], won / pairs, 1e-12);
      of_class[labels[i] > 0.5].push_back(parts[i]);
    }
    for (const Values& own : of_class) EXPECT_NEAR(mean(own), auroc(labels, scores), 1e-12);
  }
}

TEST(Stats, LogLossIsClipped) {
  EXPECT_DOUBLE_EQ(log_loss(1, 0.25), std::log(4));
  EXPECT_DOUBLE_EQ(log_loss(0, 0.25), -std::log(0.75));
  EXPECT_NEAR(log_loss(1, 0), -std::log(kProbabilityFloor), 1e-12);
  EXPECT_NEAR(log_loss(0, 1), -std::log(kProbabilityFloor), 1e-9);
  EXPECT_DOUBLE_EQ(log_loss(Values{1, 0}, Values{0.5, 0.5}), std::log(2));
  EXPECT_TRUE(std::isnan(log_loss(Values{}, Values{})));
}

TEST(Stats, Moments) {
  EXPECT_EQ(mean(Values{1, 2, 3, 6}), 3);
  EXPECT_EQ(variance(Values{1, 2, 3, 6}), 3.5);
  EXPECT_TRUE(std::isnan(mean(Values{})));
  // A running sum of ten million tenths is off by 1.6e-4; the pairwise one is not.
  EXPECT_NEAR(sum(Values(10'000'000, 0.1)), 1e6, 1e-8);
}

TEST(Stats, Quantiles) {
  const Values values = {4, 1, 3, 2};
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile(values, 1), 4);
  EXPECT_EQ(median(values), 2.5);
  EXPECT_EQ(quantile(values, 0.1), 1.3);
  EXPECT_EQ(quantile(Values{7}, 0.3), 7);
  EXPECT_TRUE(std::isnan(median(Values{})));
}

TEST(Stats, RanksShareTies) {
  EXPECT_THAT(ranks(Values{10, 20, 10, 5}),
              ElementsAre(DoubleEq(2.5), DoubleEq(4), DoubleEq(2.5), DoubleEq(1)));
}

}  // namespace
}  // namespace rekindle
