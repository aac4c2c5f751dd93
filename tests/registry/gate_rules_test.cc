// The rules that a spec may ask of the gate beside a mean gain, and what they can tell at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "proto/time.h"
#include "registry/gate.h"
#include "tests/registry/golden.h"

namespace rekindle::registry {
namespace {

using ::testing::HasSubstr;

v1::Gate gate(v1::Gate::Test test, v1::Gate::Metric metric = v1::Gate::ACCURACY, double margin = 0) {
  v1::Gate gate;
  gate.set_metric(metric);
  gate.set_beat(v1::Gate::CHAMPION);
  gate.set_min_rows(100);
  gate.set_margin(margin);
  gate.set_test(test);
  gate.set_false_passes(0.05);
  return gate;
}

constexpr int kBlocks = 64;

// Accuracy of 70 % but for the discordant rows, which `draw(rows)` gives for each block as {candidate's,
// champion's}.
template <typename Draw>
v1::Evaluation discordant(int64_t rows, Draw draw) {
  v1::Evaluation out;
  v1::SliceSums& sums = *out.add_slices();
  sums.set_rows(rows);
  for (int b = 0; b < kBlocks; ++b) {
    v1::GainBlock& block = *sums.add_blocks();
    block.set_rows(rows / kBlocks + (b < rows % kBlocks));
    const auto [candidate, champion] = draw(block.rows());
    block.set_correct_gain(candidate - champion);
    sums.set_candidate_only(sums.candidate_only() + candidate);
    sums.set_champion_only(sums.champion_only() + champion);
  }
  const auto both = static_cast<double>(rows * 7 / 10);
  sums.set_candidate_correct(both + static_cast<double>(sums.candidate_only()));
  sums.set_champion_correct(both + static_cast<double>(sums.champion_only()));
  return out;
}

using Pair = std::pair<int64_t, int64_t>;

v1::Evaluation few_differ(int64_t candidate_each, int64_t champion_each) {
  return discordant(6400, [&](int64_t) { return Pair{candidate_each, champion_each}; });
}

// Share of the worlds in which the rule passes a candidate that `gain` of all rows are in favour of, on
// balance, when 8 % are discordant; near `expected`, of which two digits are known.
void expect_passed(const v1::Gate& rule, double gain, int64_t rows, int usual, double expected) {
  const int count = worlds(usual);
  std::mt19937 engine(static_cast<uint32_t>(rows));
  int passes = 0;
  for (int w = 0; w < count; ++w) {
    auto evaluation = discordant(rows, [&](int64_t n) {
      const int64_t differ = std::binomial_distribution<int64_t>(n, 0.08)(engine);
      const int64_t ours = std::binomial_distribution<int64_t>(differ, 0.5 + gain / 0.16)(engine);
      return Pair{ours, differ - ours};
    });
    if (rule.test() == v1::Gate::MCNEMAR)
      evaluation.mutable_slices(0)->clear_blocks();  // it does not look at them
    passes += judge(rule, evaluation, true).kind() == v1::Verdict::PASS;
  }
  EXPECT_NEAR(static_cast<double>(passes) / count, expected, 0.02 + chance(expected, count))
      << rows << " rows";
}

// What such gates can tell at all: a point of accuracy gained, proved at 5 %.
TEST(GateRules, PowerOfMcnemar) {
  const v1::Gate rule = gate(v1::Gate::MCNEMAR);
  expect_passed(rule, 0.01, 500, 1000, 0.15);
  expect_passed(rule, 0.01, 2000, 1000, 0.45);
  expect_passed(rule, 0.01, 10000, 1000, 0.97);
}

// And an equally good model, shown to be no more than half a point worse.
TEST(GateRules, PowerOfNonInferiority) {
  const v1::Gate rule = gate(v1::Gate::BOOTSTRAP, v1::Gate::ACCURACY, -0.005);
  expect_passed(rule, 0, 500, 60, 0.11);
  expect_passed(rule, 0, 2000, 60, 0.21);
  expect_passed(rule, 0, 10000, 60, 0.55);
}

TEST(GateRules, Mcnemar) {
  const v1::Gate rule = gate(v1::Gate::MCNEMAR);
  const v1::Verdict better = judge(rule, few_differ(5, 3), true);  // 320 against 192
  EXPECT_EQ(better.kind(), v1::Verdict::PASS) << better.reason();
  EXPECT_THAT(better.reason(), HasSubstr("right alone on 320 rows against 192: p 8.4"));
  ASSERT_EQ(better.checks_size(), 1);
  EXPECT_EQ(better.checks(0).name(), "mcnemar");
  EXPECT_EQ(better.checks(0).result(), v1::GateCheck::PASSED);
  // By hand: 57 rows more than half of 512, so 0.5558 of them, are found four times in five.
  EXPECT_NEAR(better.detectable_gain(), 0.0089, 0.0005);

  const v1::Verdict luck = judge(rule,
                                 discordant(6400,
                                            [n = 0](int64_t) mutable {
                                              return Pair{1, n++ % 8 != 0};
                                            }),
                                 true);  // 64 against 56
  EXPECT_EQ(luck.kind(), v1::Verdict::REJECT);
  EXPECT_THAT(luck.reason(), HasSubstr("not proved: so many rows show a gain of 0.00"));

  const v1::Verdict nothing = judge(rule, few_differ(0, 0), true);
  EXPECT_EQ(nothing.kind(), v1::Verdict::REJECT);
  EXPECT_THAT(nothing.reason(), HasSubstr("so few differing answers can prove nothing"));
  EXPECT_FALSE(nothing.has_detectable_gain());

  v1::Evaluation wrong = few_differ(5, 3);
  wrong.mutable_slices(0)->set_candidate_only(400);
  EXPECT_EQ(judge(rule, wrong, true).kind(), v1::Verdict::HOLD) << "sums that contradict each other";
}

TEST(GateRules, BlocksThatHangTogetherProveLess) {
  const v1::Gate rule = gate(v1::Gate::BOOTSTRAP);
  const v1::Verdict even = judge(rule, few_differ(5, 3), true);
  EXPECT_EQ(even.kind(), v1::Verdict::PASS) << even.reason();
  // The same 320 against 192, but all of it in a few hours.
  const v1::Verdict odd = judge(rule,
                                discordant(6400,
                                           [n = 0](int64_t) mutable {
                                             return ++n % 32 == 0 ? Pair{96, 0} : Pair{2, 3};
                                           }),
                                true);
  EXPECT_EQ(odd.kind(), v1::Verdict::REJECT);
  EXPECT_THAT(odd.reason(),
              HasSubstr("but for a chance of 5 %; not proved: so many rows show a gain of 0.0"));
  EXPECT_LT(odd.gain_low(), 0);
  EXPECT_GT(odd.detectable_gain(), even.detectable_gain());

  v1::Evaluation without = few_differ(5, 3);
  without.mutable_slices(0)->clear_blocks();
  const v1::Verdict held = judge(rule, without, true);
  EXPECT_EQ(held.kind(), v1::Verdict::HOLD) << "evidence that is missing holds";
  EXPECT_THAT(held.reason(), HasSubstr("0 blocks of event time"));
  EXPECT_EQ(judge(gate(v1::Gate::GAIN), without, true).kind(), v1::Verdict::PASS);

  v1::Evaluation other = few_differ(5, 3);
  other.mutable_slices(0)->mutable_blocks(0)->set_rows(7);
  EXPECT_THAT(judge(rule, other, true).reason(), HasSubstr("the blocks of time hold"));
}

TEST(GateRules, AnswersThatAreNone) {
  v1::Evaluation evaluation = few_differ(5, 3);
  evaluation.mutable_slices(0)->set_candidate_unsound(1);
  const v1::Verdict rejected = judge(gate(v1::Gate::GAIN), evaluation, true);
  EXPECT_EQ(rejected.kind(), v1::Verdict::REJECT);
  EXPECT_THAT(rejected.reason(), HasSubstr("answers to 1 of 6400 holdout rows are not finite"));
  evaluation.mutable_slices(0)->set_candidate_unsound(0);
  evaluation.mutable_slices(0)->set_champion_unsound(2);
  EXPECT_EQ(judge(gate(v1::Gate::GAIN), evaluation, true).kind(), v1::Verdict::HOLD);
}

v1::SliceSums& slice(v1::Evaluation& evaluation, const std::string& name, int64_t rows, double gain) {
  v1::SliceSums& sums = *evaluation.add_slices();
  sums.set_slice(name);
  sums.set_rows(rows);
  sums.set_champion_correct(static_cast<double>(rows) / 2);
  sums.set_candidate_correct(static_cast<double>(rows) * (0.5 + gain));
  return sums;
}

TEST(GateRules, Slices) {
  v1::Gate rule = gate(v1::Gate::GAIN);
  rule.mutable_slices()->set_worse(0.02);
  rule.mutable_slices()->set_min_rows(200);
  v1::Evaluation evaluation = few_differ(5, 3);
  EXPECT_EQ(judge(rule, evaluation, true).kind(), v1::Verdict::HOLD) << "there are no slices";
  EXPECT_EQ(judge(gate(v1::Gate::GAIN), evaluation, true).kind(), v1::Verdict::PASS)
      << "nor are any asked for";

  slice(evaluation, "origin=EWR", 400, 0.1);
  slice(evaluation, "origin=JFK", 400, -0.0175);
  slice(evaluation, "origin=LGA", 199, -0.5);
  const v1::Verdict passes = judge(rule, evaluation, true);
  EXPECT_EQ(passes.kind(), v1::Verdict::PASS) << passes.reason();
  EXPECT_THAT(passes.reason(), HasSubstr("slice origin=LGA has 199 rows, too few to judge"));
  ASSERT_EQ(passes.checks_size(), 4);
  EXPECT_EQ(passes.checks(3).result(), v1::GateCheck::NOT_JUDGED);

  slice(evaluation, "origin=\x1b[2J", 400, -0.03);
  const v1::Verdict fails = judge(rule, evaluation, true);
  EXPECT_EQ(fails.kind(), v1::Verdict::REJECT);
  EXPECT_EQ(fails.reason(), "slice origin=\\u001b[2J: gain -0.0300 on 400 rows, floor -0.0200");
  EXPECT_EQ(judge(rule, evaluation, false).checks(1).result(), v1::GateCheck::NOT_JUDGED) << "no champion";

  evaluation.mutable_slices(4)->set_candidate_correct(std::nan(""));
  EXPECT_EQ(judge(rule, evaluation, true).kind(), v1::Verdict::HOLD);
}

TEST(GateRules, Calibration) {
  v1::Gate rule = gate(v1::Gate::GAIN);
  rule.set_calibration(0.05);
  v1::Evaluation evaluation = few_differ(5, 3);
  EXPECT_EQ(judge(rule, evaluation, true).kind(), v1::Verdict::HOLD);
  auto& bins = *evaluation.mutable_slices(0)->mutable_candidate_reliability();
  bins.add_counts(6400), bins.add_probability_sums(3200), bins.add_hits(2900);
  EXPECT_EQ(judge(rule, evaluation, true).kind(), v1::Verdict::PASS);
  bins.set_hits(0, 2800);
  EXPECT_EQ(judge(rule, evaluation, true).reason(), "calibration error 0.0625, limit 0.0500");
}

TEST(GateRules, Serving) {
  v1::Gate rule = gate(v1::Gate::GAIN);
  *rule.mutable_serving()->mutable_latency() = to_proto(std::chrono::milliseconds(5));
  rule.mutable_serving()->set_bytes(1000);
  v1::Evaluation evaluation = few_differ(5, 3);
  EXPECT_THAT(judge(rule, evaluation, true).reason(), HasSubstr("did not try the candidate"));
  EXPECT_EQ(judge(rule, evaluation, true).kind(), v1::Verdict::HOLD);
  v1::ServingProbe& probe = *evaluation.mutable_serving();
  probe.set_failure("model.safetensors is damaged");
  EXPECT_EQ(judge(rule, evaluation, true).kind(), v1::Verdict::REJECT);
  EXPECT_THAT(judge(rule, evaluation, true).reason(),
              HasSubstr("cannot serve the candidate: model.safetensors"));
  probe.set_loaded(true), probe.set_answers(200), probe.set_latency_p99_ms(4), probe.set_bytes(1000);
  const v1::Verdict passes = judge(rule, evaluation, true);
  EXPECT_EQ(passes.kind(), v1::Verdict::PASS) << passes.reason();
  EXPECT_EQ(passes.checks_size(), 4);
  probe.set_latency_p99_ms(5.5), probe.set_bytes(1001);
  const std::string both = judge(rule, evaluation, true).reason();
  EXPECT_THAT(both, HasSubstr("5.50 ms, limit 5.00 ms"));
  EXPECT_THAT(both, HasSubstr("; its files hold 1001 bytes, limit 1000"));
}

// A failed rule outweighs a missing one, and a person is asked only where nothing failed.
TEST(GateRules, FailedOutweighsMissing) {
  v1::Gate rule = gate(v1::Gate::GAIN);
  rule.set_calibration(0.05);
  rule.set_limit(0.9);
  rule.set_approve(true);
  const v1::Verdict verdict = judge(rule, few_differ(5, 3), true);
  EXPECT_EQ(verdict.kind(), v1::Verdict::REJECT);
  EXPECT_THAT(verdict.reason(), HasSubstr("misses the limit 0.9000"));
  EXPECT_EQ(verdict.checks_size(), 3) << "all are told of";
}

}  // namespace
}  // namespace rekindle::registry
