// What the trainer tells the gate of a holdout, by hand.
#include "trainer/publish/evidence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/stats.h"
#include "dataio/table.h"

namespace rekindle::trainer {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

v1::Data data_of(v1::Label::Kind kind, std::vector<std::string> classes = {}) {
  v1::Data data;
  data.set_time("when");
  data.mutable_label()->set_column("y");
  data.mutable_label()->set_kind(kind);
  for (auto& name : classes) data.mutable_label()->add_classes(name);
  return data;
}

struct Rows {
  Window holdout;
  std::vector<double> candidate, champion;

  explicit Rows(const std::vector<double>& labels) {
    holdout.labels = labels;
    std::vector<int64_t> times;
    // Newest first: blocks are of event time, not of order.
    for (size_t r = 0; r < labels.size(); ++r) times.push_back(static_cast<int64_t>(labels.size() - r));
    holdout.rows.add(dataio::time_column("when", times));
  }
  v1::Evaluation evaluated(const v1::Data& data, std::vector<double> constant) const {
    return evaluate(holdout, {candidate, champion, std::move(constant)}, data);
  }
};

TEST(Evidence, BlocksAreOfEventTimeAndHoldEveryRowOnce) {
  std::vector<double> labels;
  for (int r = 0; r < 130; ++r) labels.push_back(r % 3 == 0);
  Rows rows(labels);
  for (int r = 0; r < 130; ++r) {
    rows.candidate.push_back(labels[r] > 0.5 ? 0.6 + 0.002 * r : 0.4 - 0.002 * r);
    rows.champion.push_back(r < 10 ? 0.9 : 0.3);
  }
  const v1::Evaluation evaluation = rows.evaluated(data_of(v1::Label::BINARY), {0.3});
  const v1::SliceSums& whole = evaluation.slices(0);
  ASSERT_EQ(whole.blocks_size(), 64);
  EXPECT_EQ(whole.blocks(0).rows(), 3);
  EXPECT_EQ(whole.blocks(1).rows(), 3);
  EXPECT_EQ(whole.blocks(2).rows(), 2);
  // The first block is the oldest three rows, 129 to 127: one of them, 129, is positive.
  EXPECT_EQ(whole.blocks(0).positives(), 1);
  double gain = 0;
  for (const int r : {129, 128, 127})
    gain += log_loss(labels[r], rows.champion[r]) - log_loss(labels[r], rows.candidate[r]);
  EXPECT_NEAR(whole.blocks(0).loss_gain(), gain, 1e-12);
  EXPECT_EQ(whole.blocks(0).correct_gain(), 1) << "the champion says no to the positive one";

  double loss = 0, positive = 0, negative = 0;
  int64_t count = 0, positives = 0, correct = 0;
  for (const v1::GainBlock& block : whole.blocks()) {
    count += block.rows(), positives += block.positives(), correct += block.correct_gain();
    loss += block.loss_gain(), positive += block.positive_gain(), negative += block.negative_gain();
  }
  EXPECT_EQ(count, 130);
  EXPECT_EQ(positives, whole.positives());
  EXPECT_EQ(correct, whole.candidate_only() - whole.champion_only());
  EXPECT_EQ(correct, whole.candidate_correct() - whole.champion_correct());
  EXPECT_EQ(whole.champion_only(), 0) << "the candidate is right throughout";
  EXPECT_NEAR(loss, whole.gain_sum(), 1e-9);
  const double better = whole.candidate_auroc() - whole.champion_auroc();
  EXPECT_GT(better, 0.3);
  EXPECT_NEAR(positive / static_cast<double>(positives), better, 1e-12);
  EXPECT_NEAR(negative / static_cast<double>(count - positives), better, 1e-12);
}

TEST(Evidence, WithoutAChampionThereAreNoBlocks) {
  Rows rows({1, 0});
  rows.candidate = {0.7, 0.2};
  const v1::Evaluation evaluation = rows.evaluated(data_of(v1::Label::BINARY), {0.5});
  EXPECT_EQ(evaluation.slices(0).blocks_size(), 0);
  EXPECT_EQ(evaluation.slices(0).candidate_reliability().counts_size(), 15);
  EXPECT_FALSE(evaluation.slices(0).has_champion_reliability());
}

TEST(Evidence, ProbabilitiesFallIntoBins) {
  const dataio::LabelRule binary(data_of(v1::Label::BINARY).label());
  const std::vector<double> labels = {1, 0, 1, 1, 0};
  const v1::Reliability bins = reliability(binary, labels, std::vector<double>{0, 0.06, 0.07, 1, kNan});
  EXPECT_EQ(bins.counts(0), 2) << "the edge is a fifteenth";
  EXPECT_EQ(bins.hits(0), 1);
  EXPECT_NEAR(bins.probability_sums(0), 0.06, 1e-12);
  EXPECT_EQ(bins.counts(1), 1);
  EXPECT_EQ(bins.counts(14), 1) << "one is in the last";

  // Of one of several classes the likeliest; of any of several each.
  const dataio::LabelRule multiclass(data_of(v1::Label::MULTICLASS, {"a", "b", "c"}).label());
  const v1::Reliability top =
      reliability(multiclass, std::vector<double>{2, 0}, std::vector<double>{0.1, 0.2, 0.7, 0.1, 0.5, 0.4});
  EXPECT_EQ(top.counts(10), 1);
  EXPECT_EQ(top.hits(10), 1);
  EXPECT_EQ(top.counts(7), 1);
  EXPECT_EQ(top.hits(7), 0);
  const dataio::LabelRule multilabel(data_of(v1::Label::MULTILABEL, {"a", "b"}).label());
  const v1::Reliability each =
      reliability(multilabel, std::vector<double>{2}, std::vector<double>{0.01, 0.99});
  EXPECT_EQ(each.counts(0), 1);
  EXPECT_EQ(each.hits(0), 0);
  EXPECT_EQ(each.hits(14), 1);
}

TEST(Evidence, AnswersThatAreNoneAreCounted) {
  Rows rows({1, 0, 1});
  rows.candidate = {0.7, kNan, 1.5};
  rows.champion = {0.7, 0.1, -0.1};
  const v1::Evaluation classes = rows.evaluated(data_of(v1::Label::BINARY), {0.5});
  EXPECT_EQ(classes.slices(0).candidate_unsound(), 2);
  EXPECT_EQ(classes.slices(0).champion_unsound(), 1);

  rows.candidate = {0.7, INFINITY, -7};
  const v1::Evaluation numbers = rows.evaluated(data_of(v1::Label::REGRESSION), {0.5});
  EXPECT_EQ(numbers.slices(0).candidate_unsound(), 1);
  EXPECT_EQ(numbers.slices(0).champion_unsound(), 0);
  EXPECT_FALSE(numbers.slices(0).has_candidate_reliability());
  EXPECT_NEAR(numbers.slices(0).blocks(0).absolute_gain(), 1.1 - 8, 1e-12) << "the newest row comes last";
}

}  // namespace
}  // namespace rekindle::trainer
