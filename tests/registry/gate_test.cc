#include "registry/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rekindle::registry {
namespace {

using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

v1::Gate gate(v1::Gate::Metric metric = v1::Gate::LOG_LOSS) {
  v1::Gate gate;
  gate.set_metric(metric);
  gate.set_beat(v1::Gate::CHAMPION);
  gate.set_min_rows(500);
  return gate;
}

// Means per row; each paired gain is gain +- spread.
v1::Evaluation sums(double candidate, double champion, double constant, int64_t rows = 1000,
                    double spread = 0.1) {
  v1::Evaluation evaluation;
  auto* s = evaluation.add_slices();
  auto n = static_cast<double>(rows);
  s->set_rows(rows);
  s->set_positives(rows / 4);
  s->set_candidate_log_loss_sum(candidate * n);
  s->set_champion_log_loss_sum(champion * n);
  s->set_constant_log_loss_sum(constant * n);
  double gain = champion - candidate;
  s->set_gain_sum(gain * n);
  s->set_gain_square_sum((gain * gain + spread * spread) * n);
  s->set_candidate_auroc(0.70);
  s->set_champion_auroc(0.65);
  return evaluation;
}

struct Case {
  const char* name;
  v1::Gate gate;
  v1::Evaluation evaluation;
  bool has_champion;
  v1::Verdict::Kind kind;
  const char* reason;
};

v1::Gate with_margin(double margin) {
  v1::Gate g = gate();
  g.set_margin(margin);
  return g;
}
v1::Gate with_limit(double limit, v1::Gate::Metric metric = v1::Gate::LOG_LOSS) {
  v1::Gate g = gate(metric);
  g.set_limit(limit);
  return g;
}
v1::Gate against_constant() {
  v1::Gate g = gate();
  g.set_beat(v1::Gate::CONSTANT);
  return g;
}
v1::Gate with_approval() {
  v1::Gate g = gate();
  g.set_approve(true);
  return g;
}
v1::Evaluation changed(v1::Evaluation evaluation, void (*change)(v1::SliceSums&)) {
  change(*evaluation.mutable_slices(0));
  return evaluation;
}

TEST(Gate, Table) {
  const Case cases[] = {
      {"better passes", gate(), sums(.50, .53, .55), true, v1::Verdict::PASS, "gain +0.0300"},
      {"worse is rejected", gate(), sums(.54, .53, .55), true, v1::Verdict::REJECT, "not better"},
      {"equal is no gain", gate(), sums(.53, .53, .55), true, v1::Verdict::REJECT, "gain +0.0000"},
      {"equal within a tolerance", with_margin(-.001), sums(.53, .53, .55), true, v1::Verdict::PASS,
       "margin -0.0010"},
      {"gain under the margin", with_margin(.05), sums(.50, .53, .55), true, v1::Verdict::REJECT,
       "margin +0.0500"},
      {"gain over the margin", with_margin(.02), sums(.50, .53, .55), true, v1::Verdict::PASS,
       "margin +0.0200"},
      {"limit missed", with_limit(.49), sums(.50, .53, .55), true, v1::Verdict::REJECT,
       "misses the limit 0.4900"},
      {"limit met", with_limit(.51), sums(.50, .53, .55), true, v1::Verdict::PASS, ""},
      {"AUROC limit missed", with_limit(.71, v1::Gate::AUROC), sums(.5, .5, .55), true, v1::Verdict::REJECT,
       "0.7100"},
      {"AUROC better", gate(v1::Gate::AUROC), sums(.5, .4, .55), true, v1::Verdict::PASS, "AUROC 0.7000"},
      {"first beats the constant rate", gate(), sums(.50, 0, .55), false, v1::Verdict::PASS,
       "constant rate's 0.5500"},
      {"first no better than the constant rate", gate(), sums(.56, 0, .55), false, v1::Verdict::REJECT,
       "not better"},
      {"margin is not for the first", with_margin(.5), sums(.50, 0, .55), false, v1::Verdict::PASS, ""},
      {"beat: constant ignores the champion", against_constant(), sums(.54, .53, .55), true,
       v1::Verdict::PASS, ""},
      {"approval is asked for", with_approval(), sums(.50, .53, .55), true, v1::Verdict::HOLD, "approval"},
      {"approval does not save a worse one", with_approval(), sums(.54, .53, .55), true, v1::Verdict::REJECT,
       ""},
      // Missing evidence.
      {"no evaluation", gate(), {}, true, v1::Verdict::HOLD, "no evaluation"},
      {"too few rows", gate(), sums(.50, .53, .55, 499), true, v1::Verdict::HOLD, "499 labelled"},
      {"champion not scored", gate(), sums(.50, kNan, .55), true, v1::Verdict::HOLD, ""},
      {"constant not a number", gate(), sums(.50, 0, kNan), false, v1::Verdict::HOLD, "not a number"},
      {"sums disagree", gate(), changed(sums(.50, .53, .55), [](v1::SliceSums& s) { s.set_gain_sum(99); }),
       true, v1::Verdict::HOLD, "contradicts itself"},
      {"more positives than rows", gate(),
       changed(sums(.50, .53, .55), [](v1::SliceSums& s) { s.set_positives(1001); }), true, v1::Verdict::HOLD,
       "contradicts itself"},
      {"one class only", gate(v1::Gate::AUROC),
       changed(sums(.50, .53, .55), [](v1::SliceSums& s) { s.set_positives(0); }), true, v1::Verdict::HOLD,
       "same label"},
      // A candidate that is not a number never passes, whatever else is there.
      {"candidate NaN", gate(), sums(kNan, .53, .55), true, v1::Verdict::REJECT, "not a number"},
      {"candidate infinite", gate(), sums(INFINITY, .53, .55), true, v1::Verdict::REJECT, "not a number"},
      {"candidate NaN, first", gate(), sums(kNan, 0, .55), false, v1::Verdict::REJECT, "not a number"},
      {"candidate NaN, tolerance", with_margin(-1), sums(kNan, .53, .55), true, v1::Verdict::REJECT,
       "not a number"},
  };
  for (const Case& c : cases) {
    v1::Verdict verdict = judge(c.gate, c.evaluation, c.has_champion);
    EXPECT_EQ(verdict.kind(), c.kind) << c.name << ": " << verdict.reason();
    EXPECT_THAT(verdict.reason(), HasSubstr(c.reason)) << c.name;
    EXPECT_FALSE(verdict.reason().empty()) << c.name;
  }
}

// Every single figure replaced by every odd value: nothing but PASS with a finite gain may pass.
TEST(Gate, NothingOddPasses) {
  const double odd[] = {kNan, INFINITY, -INFINITY, 1e300, -1e300};
  using Setter = void (v1::SliceSums::*)(double);
  const Setter setters[] = {&v1::SliceSums::set_candidate_log_loss_sum,
                            &v1::SliceSums::set_champion_log_loss_sum, &v1::SliceSums::set_gain_sum,
                            &v1::SliceSums::set_gain_square_sum};
  for (double value : odd) {
    for (Setter set : setters) {
      v1::Evaluation evaluation = sums(.50, .53, .55);
      (evaluation.mutable_slices(0)->*set)(value);
      for (bool has_champion : {true, false}) {
        v1::Verdict verdict = judge(gate(), evaluation, has_champion);
        if (verdict.kind() != v1::Verdict::PASS) continue;
        EXPECT_TRUE(std::isfinite(verdict.gain()) && std::isfinite(verdict.candidate())) << verdict.reason();
        EXPECT_GE(verdict.candidate(), 0) << verdict.reason();
      }
    }
  }
}

// mean 0.03, every row 0.03 +- 0.1: sample deviation 0.1 * sqrt(n / (n - 1)).
TEST(Gate, PairedInterval) {
  v1::Verdict verdict = judge(gate(), sums(.50, .53, .55, 1000, .1), true);
  double half = 1.959964 * 0.1 * std::sqrt(1000.0 / 999.0) / std::sqrt(1000.0);
  EXPECT_NEAR(verdict.gain_low(), .03 - half, 1e-9);
  EXPECT_NEAR(verdict.gain_high(), .03 + half, 1e-9);
  EXPECT_NEAR(verdict.gain(), .03, 1e-12);
  EXPECT_THAT(verdict.reason(), HasSubstr("95 % interval +0.0238 to +0.0362"));
}

// Sums of other kinds of labels: 1,000 rows, right answers and absolute errors beside the loss.
v1::Evaluation of_kind(int constants) {
  v1::Evaluation evaluation = sums(40, 44, 90);
  auto* s = evaluation.mutable_slices(0);
  s->set_positives(0);
  s->set_candidate_correct(700), s->set_champion_correct(650), s->set_constant_correct(300);
  s->set_candidate_absolute_sum(5000), s->set_champion_absolute_sum(4800), s->set_constant_absolute_sum(7000);
  for (int i = 0; i < constants; ++i) evaluation.add_constant(1.0 / constants);
  return evaluation;
}

TEST(Gate, MetricsOfOtherKinds) {
  const Case cases[] = {
      {"accuracy beats the champion", gate(v1::Gate::ACCURACY), of_kind(3), true, v1::Verdict::PASS,
       "accuracy 0.7000 against the champion's 0.6500 on 1000 holdout rows: gain +0.0500"},
      {"a first version beats the shares", gate(v1::Gate::ACCURACY), of_kind(3), false, v1::Verdict::PASS,
       "against the class shares' 0.3000"},
      {"accuracy limit", with_limit(.71, v1::Gate::ACCURACY), of_kind(3), true, v1::Verdict::REJECT,
       "accuracy 0.7000 on 1000 holdout rows misses the limit 0.7100"},
      {"log-loss of classes", gate(), of_kind(3), false, v1::Verdict::PASS,
       "against the class shares' 90.0000"},
      {"squared error", gate(v1::Gate::SQUARED_ERROR), of_kind(1), true, v1::Verdict::PASS,
       "squared error 40.0000 against the champion's 44.0000 on 1000 holdout rows: gain +4.0000, 95 % "
       "interval"},
      {"squared error limit", with_limit(39, v1::Gate::SQUARED_ERROR), of_kind(1), true, v1::Verdict::REJECT,
       "misses the limit"},
      {"absolute error is worse", gate(v1::Gate::ABSOLUTE_ERROR), of_kind(1), true, v1::Verdict::REJECT,
       "absolute error 5.0000 against the champion's 4.8000 on 1000 holdout rows: gain -0.2000; not better"},
      {"a first regression beats the mean", gate(v1::Gate::ABSOLUTE_ERROR), of_kind(1), false,
       v1::Verdict::PASS, "against the training mean's 7.0000"},
      {"more right answers than rows", gate(v1::Gate::ACCURACY),
       changed(of_kind(3), [](v1::SliceSums& s) { s.set_candidate_correct(1001); }), true, v1::Verdict::HOLD,
       "contradicts itself: 1001 right answers in 1000 rows"},
      {"no absolute error", gate(v1::Gate::ABSOLUTE_ERROR),
       changed(of_kind(1), [](v1::SliceSums& s) { s.set_candidate_absolute_sum(kNan); }), true,
       v1::Verdict::REJECT, "not a number that it can have"},
  };
  for (const Case& c : cases) {
    const v1::Verdict verdict = judge(c.gate, c.evaluation, c.has_champion);
    EXPECT_EQ(verdict.kind(), c.kind) << c.name << ": " << verdict.reason();
    EXPECT_THAT(verdict.reason(), HasSubstr(c.reason)) << c.name;
    const bool paired = c.gate.metric() == v1::Gate::SQUARED_ERROR || c.gate.metric() == v1::Gate::LOG_LOSS;
    if (!paired) {
      EXPECT_EQ(verdict.gain_low(), 0) << c.name << ": the paired sums are of another metric";
    }
  }
}

}  // namespace
}  // namespace rekindle::registry
