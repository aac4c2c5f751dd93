// The statistics of gate and canary against scipy, NumPy and simulation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/stats.h"
#include "registry/evidence/bootstrap.h"
#include "registry/evidence/mcnemar.h"
#include "registry/evidence/reliability.h"
#include "registry/evidence/sequential.h"
#include "tests/registry/golden.h"

namespace rekindle::registry {
namespace {

TEST(Mcnemar, AsScipy) {
  for (const auto& entry : golden().at("mcnemar").as_array()) {
    const auto& row = entry.as_object();
    const Discordant pairs{row.at("candidate").to_number<int64_t>(), row.at("champion").to_number<int64_t>()};
    const double p = number(row, "p");
    EXPECT_NEAR(mcnemar_p(pairs), p, 1e-6 * p) << pairs.candidate << " against " << pairs.champion;
    for (const double alpha : {0.05, 0.01}) {
      const auto gain = mcnemar_detectable(pairs, 1000, alpha, 0.8);
      const auto& share = row.at(alpha == 0.05 ? "share 0.05" : "share 0.01");
      ASSERT_EQ(gain.has_value(), !share.is_null()) << pairs.candidate << " against " << pairs.champion;
      if (!gain) continue;
      const double expected = (2 * share.to_number<double>() - 1) * static_cast<double>(pairs.rows()) / 1000;
      EXPECT_NEAR(*gain, expected, 1e-6 * expected);
    }
  }
}

// The rows of make_golden.py, as the trainer would cut them into blocks.
std::vector<v1::GainBlock> golden_blocks(const boost::json::object& of) {
  Uniform uniform(of.at("seed").to_number<uint64_t>());
  const auto blocks = of.at("blocks").to_number<size_t>(), each = of.at("rows").to_number<size_t>();
  std::vector<double> shift, labels, candidate, champion;
  for (size_t b = 0; b < blocks; ++b) shift.push_back(uniform() - 0.5);
  for (size_t r = 0; r < blocks * each; ++r) {
    const double u[] = {uniform(), uniform(), uniform(), uniform()};
    labels.push_back(u[0] < 0.3);
    candidate.push_back(std::clamp(0.35 * labels[r] + 0.6 * u[1], 0.01, 0.99));
    champion.push_back(std::clamp(0.25 * labels[r] + 0.6 * u[2] + 0.1 * shift[r / each], 0.01, 0.99));
  }
  const std::vector<double> ours = auroc_parts(labels, candidate), theirs = auroc_parts(labels, champion);
  std::vector<v1::GainBlock> out(blocks);
  for (size_t r = 0; r < labels.size(); ++r) {
    v1::GainBlock& block = out[r / each];
    block.set_rows(block.rows() + 1);
    block.set_loss_gain(block.loss_gain() + log_loss(labels[r], champion[r]) -
                        log_loss(labels[r], candidate[r]));
    const double ranked = ours[r] - theirs[r];
    if (labels[r] > 0.5) {
      block.set_positives(block.positives() + 1);
      block.set_positive_gain(block.positive_gain() + ranked);
    } else {
      block.set_negative_gain(block.negative_gain() + ranked);
    }
  }
  return out;
}

std::vector<const v1::GainBlock*> pointers(const std::vector<v1::GainBlock>& blocks) {
  std::vector<const v1::GainBlock*> out;
  for (const auto& block : blocks) out.push_back(&block);
  return out;
}

TEST(Bootstrap, OfAMeanAsNumpy) {
  const auto& of = golden().at("bootstrap").as_object();
  const auto blocks = golden_blocks(of);
  const auto gains = resample(pointers(blocks), v1::Gate::LOG_LOSS);
  ASSERT_TRUE(gains);
  const auto& expected = of.at("log_loss").as_object();
  const auto& shares = of.at("shares").as_array();
  for (size_t i = 0; i < shares.size(); ++i)
    EXPECT_NEAR(gains->quantile(shares[i].to_number<double>()),
                expected.at("quantiles").as_array()[i].to_number<double>(), 1e-9);
  EXPECT_NEAR(gains->deviation(), number(expected, "deviation"), 1e-9);
}

// NumPy ranks every resample anew; the parts of the AUROC are its first order.
TEST(Bootstrap, OfAnAurocNearlyAsOneThatRanksAnew) {
  const auto& of = golden().at("bootstrap").as_object();
  const auto blocks = golden_blocks(of);
  const auto gains = resample(pointers(blocks), v1::Gate::AUROC);
  ASSERT_TRUE(gains);
  const auto& expected = of.at("auroc").as_object();
  const auto& shares = of.at("shares").as_array();
  const double deviation = number(expected, "deviation");
  EXPECT_NEAR(gains->deviation(), deviation, 0.02 * deviation);
  for (size_t i = 0; i < shares.size(); ++i)
    EXPECT_NEAR(gains->quantile(shares[i].to_number<double>()),
                expected.at("quantiles").as_array()[i].to_number<double>(), 0.1 * deviation);
}

TEST(Bootstrap, SaysNothingWithoutEnough) {
  std::vector<v1::GainBlock> blocks(kBlocksMin);
  for (auto& block : blocks) block.set_rows(10), block.set_positives(0), block.set_loss_gain(0.5);
  EXPECT_TRUE(resample(pointers(blocks), v1::Gate::LOG_LOSS));
  EXPECT_FALSE(resample(pointers(blocks), v1::Gate::AUROC)) << "one class alone";
  blocks[3].set_loss_gain(std::nan(""));
  EXPECT_FALSE(resample(pointers(blocks), v1::Gate::LOG_LOSS));
  blocks.pop_back();
  EXPECT_FALSE(resample(pointers(blocks), v1::Gate::ACCURACY)) << "too few blocks";
}

v1::Reliability bins(std::vector<int64_t> counts, std::vector<double> given, std::vector<int64_t> hits) {
  v1::Reliability out;
  out.mutable_counts()->Add(counts.begin(), counts.end());
  out.mutable_probability_sums()->Add(given.begin(), given.end());
  out.mutable_hits()->Add(hits.begin(), hits.end());
  return out;
}

TEST(Reliability, ExpectedCalibrationError) {
  EXPECT_NEAR(*calibration_error(bins({10, 30}, {2, 24}, {4, 24})), 2.0 / 40, 1e-12);
  EXPECT_NEAR(*calibration_error(bins({10, 30}, {2, 24}, {4, 21})), 5.0 / 40, 1e-12);
  EXPECT_FALSE(calibration_error({}));
  EXPECT_FALSE(calibration_error(bins({0, 0}, {0, 0}, {0, 0})));
  EXPECT_FALSE(calibration_error(bins({10}, {std::nan("")}, {4}))) << "not a number";
  EXPECT_FALSE(calibration_error(bins({10}, {5}, {11}))) << "more hits than rows";
  EXPECT_FALSE(calibration_error(bins({10}, {11}, {1}))) << "a probability above one";
  EXPECT_FALSE(calibration_error(bins({10, 1}, {5}, {1, 1})));
}

TEST(Failures, AsTheMixtureIntegrated) {
  for (const auto& entry : golden().at("failures").as_array()) {
    const auto& row = entry.as_object();
    const double evidence = number(row, "evidence");
    EXPECT_NEAR(failure_evidence(row.at("answered").to_number<uint64_t>(),
                                 row.at("failed").to_number<uint64_t>(), number(row, "share")),
                evidence, 1e-6 * evidence)
        << number(row, "answered") << " " << number(row, "failed");
  }
  EXPECT_EQ(failure_evidence(5, 0, 0), 1);
  EXPECT_TRUE(std::isinf(failure_evidence(5, 1, 0))) << "none is allowed";
  EXPECT_EQ(failure_evidence(5, 5, 1), 1) << "all are allowed";
  EXPECT_EQ(failure_evidence(1'000'000'000, 1, 0.5), 0) << "so far below that no double holds it";
}

// Whatever the number of looks: after each of `looks` reports of `batch` answers.
double alarm_share(double failing, double limit, double alpha, int streams, int looks, int batch) {
  std::mt19937 engine(7);
  std::binomial_distribution<uint64_t> failures(batch, failing);
  int alarms = 0;
  for (int s = 0; s < streams; ++s) {
    uint64_t answered = 0, failed = 0;
    for (int look = 0; look < looks; ++look) {
      answered += batch;
      failed += failures(engine);
      if (failure_evidence(answered, failed, limit) < 1 / alpha) continue;
      ++alarms;
      break;
    }
  }
  return static_cast<double>(alarms) / streams;
}

TEST(Failures, FalseAlarmsOverAllLooksStayWithinAlpha) {
  const int streams = worlds(1500);
  const double most = 0.05 + chance(0.05, streams);
  EXPECT_LE(alarm_share(0.01, 0.01, 0.05, streams, 60, 20), most) << "exactly at the limit";
  EXPECT_LE(alarm_share(0.005, 0.01, 0.05, streams, 60, 20), most);
  EXPECT_GE(alarm_share(0.03, 0.01, 0.05, 500, 60, 20), 0.95) << "and what fails thrice as often is found";
}

// A canary that gets a tenth of the traffic of a day, slot by slot; the loss of a row is that of a
// probability drawn anew, clipped as the event store clips it. How many of `streams` were said to be worse at
// any look.
double worse_share(double excess, double alpha, int streams, int slots) {
  std::mt19937 engine(11);
  std::uniform_real_distribution<double> uniform(0, 1);
  int worse = 0;
  for (int s = 0; s < streams; ++s) {
    v1::LossComparison sums;
    for (int slot = 0; slot < slots; ++slot) {
      const double busy = 0.5 + uniform(engine), hard = 0.3 * uniform(engine);
      const int rows[] = {static_cast<int>(6 * busy), static_cast<int>(54 * busy)};
      double mean[2] = {0, 0};
      for (int who : {0, 1}) {
        double square_sum = 0;
        for (int r = 1; r <= rows[who]; ++r) {
          const double p = std::clamp(uniform(engine) + (uniform(engine) < 0.1 ? -hard : 0), 0.01, 1.0);
          const double loss = -std::log(p) + (who == 0 ? excess : 0), off = loss - mean[who];
          mean[who] += off / r;
          square_sum += off * (loss - mean[who]);
        }
        sums.set_square_sum(sums.square_sum() + square_sum);
      }
      const double n = rows[0], m = rows[1], weight = n * m / (n + m);
      sums.set_version_rows(sums.version_rows() + rows[0]);
      sums.set_weight(sums.weight() + weight);
      sums.set_weighted_gain(sums.weighted_gain() + weight * (mean[1] - mean[0]));
      sums.set_degrees(sums.degrees() + rows[0] + rows[1] - 2);
      if (sums.version_rows() < 200 || always_valid(sums, alpha).high >= 0) continue;
      ++worse;
      break;
    }
  }
  return static_cast<double>(worse) / streams;
}

TEST(Labels, FalseAlarmsOverAllLooksStayWithinAlpha) {
  const int streams = worlds(1000);
  EXPECT_LE(worse_share(0, 0.05, streams, 200), 0.05 + chance(0.05, streams));
  EXPECT_GE(worse_share(0.3, 0.05, 100, 200), 0.95) << "and what is worse is found";
}

TEST(Labels, TheIntervalIsTheTestTurnedAround) {
  v1::LossComparison sums;
  sums.set_weight(90), sums.set_weighted_gain(-9), sums.set_square_sum(500), sums.set_degrees(1000);
  const AlwaysValid gain = always_valid(sums, 0.01);
  EXPECT_NEAR(gain.gain, -0.1, 1e-12);
  EXPECT_NEAR(gain.gain - gain.low, gain.high - gain.gain, 1e-12);
  // At the edge of the interval the mixture's likelihood ratio is 1 / alpha (Johari et al. 2015, with V the
  // variance of the gain and T that of the mixture).
  const double row = 0.5, V = row / 90, T = 0.01 * row, d = gain.high - gain.gain;
  EXPECT_NEAR(std::sqrt(V / (V + T)) * std::exp(T * d * d / (2 * V * (V + T))), 100, 1e-6);
  EXPECT_TRUE(std::isinf(always_valid({}, 0.01).high)) << "nothing is known";
}

}  // namespace
}  // namespace rekindle::registry
