// Attempts with labels of every kind, run with the real binary: what is published can be served and gives
// the figures of its evaluation; what cannot be taught is refused with the reason.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>

#include "artifacts/manifest.h"
#include "dataio/parquet.h"
#include "dataio/parquet_events.h"
#include "dataio/snapshot.h"
#include "drawn_rows.h"
#include "drift/profile.h"
#include "models/predictor.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

v1::Label label_of(v1::Label::Kind kind) {
  v1::Label out;
  out.set_kind(kind);
  out.set_column(kind == v1::Label::MULTICLASS   ? "shift"
                 : kind == v1::Label::MULTILABEL ? "tags"
                                                 : "minutes");
  if (kind == v1::Label::MULTICLASS)
    for (const char* name : {"night", "day", "early"}) out.add_classes(name);
  if (kind == v1::Label::MULTILABEL)
    for (const char* name : {"warm", "first", "odd"}) out.add_classes(name);
  return out;
}

// A plan over these rows, in two snapshots: the second has its classes as numbers.
v1::Plan plan_of(TestRun& run, v1::Label::Kind kind, uint32_t world, const dataio::Table& rows) {
  v1::Plan plan = run.plan(world);
  const v1::Label label = label_of(kind);
  *plan.mutable_spec()->mutable_data()->mutable_label() = label;
  std::vector<uint32_t> halves[2];
  for (uint32_t r = 0; r < rows.rows(); ++r) halves[2 * r >= rows.rows()].push_back(r);
  plan.clear_data();
  for (int i = 0; i < 2; ++i) {
    dataio::Table half = dataio::take(rows, halves[i]);
    if (kind == v1::Label::MULTICLASS && i == 1) {
      dataio::Column& column = *half.find("shift");
      column = dataio::number_column("shift", dataio::LabelRule(label).read(column).value());
    }
    *plan.add_data() =
        dataio::make_snapshot(*run.store, "made-up", i == 0 ? "texts" : "numbers", half, "when", "a test")
            .value();
  }
  return plan;
}

class LabelKinds : public ::testing::TestWithParam<v1::Label::Kind> {
 protected:
  uint32_t attempt_ = 1;
};
INSTANTIATE_TEST_SUITE_P(Kinds, LabelKinds,
                         ::testing::Values(v1::Label::MULTICLASS, v1::Label::REGRESSION,
                                           v1::Label::MULTILABEL),
                         [](const auto& info) { return v1::Label::Kind_Name(info.param); });

TEST_P(LabelKinds, AreTrainedPublishedAndScored) {
  TestRun run;
  auto plan = plan_of(run, GetParam(), 2, rows_with_labels(4000));
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto outcome = run.outcome(plan);
  const auto& whole = outcome.evaluation().slices(0);
  EXPECT_LT(whole.candidate_log_loss_sum(), 0.8 * whole.constant_log_loss_sum())
      << "it has learned something";
  EXPECT_NEAR(outcome.valid_loss(), whole.candidate_log_loss_sum() / static_cast<double>(whole.rows()),
              0.35 * outcome.valid_loss())
      << "validation and holdout losses are in one unit";

  auto manifest = artifacts::load_manifest(*run.store, outcome.manifest()).value();
  auto predictor = models::load_predictor(*run.store, outcome.manifest()).value();
  const dataio::LabelRule rule(predictor->card().label());
  EXPECT_EQ(predictor->card().output(), rule.output_name());
  const auto table =
      dataio::read_parquet(artifacts::read_file(*run.store, manifest, "evaluation.parquet").value(), "e")
          .value();
  const auto labels = rule.read(*table.find("label")).value();
  ASSERT_EQ(labels.size(), static_cast<size_t>(whole.rows()));
  double loss = 0, correct = 0, off = 0;
  for (size_t r = 0; r < labels.size(); ++r) {
    std::vector<double> answer;
    if (!rule.wide()) answer.push_back(table.find("candidate")->numbers[r]);
    for (size_t k = 0; rule.wide() && k < rule.outputs(); ++k)
      answer.push_back(table.find("candidate[" + rule.class_name(k) + "]")->numbers[r]);
    loss += rule.loss(labels[r], answer);
    if (rule.regression())
      off += rule.absolute_error(labels[r], answer);
    else
      correct += rule.correct(labels[r], answer);
  }
  EXPECT_NEAR(loss, whole.candidate_log_loss_sum(), 1e-6 * loss);
  EXPECT_EQ(correct, whole.candidate_correct());
  EXPECT_NEAR(off, whole.candidate_absolute_sum(), 1e-6 * (1 + off));
  EXPECT_EQ(outcome.evaluation().constant_size(), static_cast<int>(rule.outputs()));
  EXPECT_EQ(whole.positives(), 0) << "a binary label's word";

  v1::Profile profile;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  artifacts::read_file(*run.store, manifest, "profile.json").value(), &profile)
                  .ok());
  EXPECT_EQ(profile.prediction().categorical(), GetParam() == v1::Label::MULTICLASS);
  EXPECT_EQ(profile.label_scale() > 10, GetParam() == v1::Label::REGRESSION);
  EXPECT_TRUE(drift::ProfileBins::make(profile).ok());

  auto score = plan;
  score.set_task(v1::Plan::SCORE);
  score.set_run("late-2");
  auto* item = score.add_score();
  item->set_manifest(outcome.manifest());
  item->set_from_us(plan.windows().holdout_from_us());
  item->set_until_us(plan.windows().until_us());
  ended = run.run(score);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto scored = run.outcome(score).scores(0);
  EXPECT_EQ(scored.rows(), static_cast<uint64_t>(whole.rows()));
  EXPECT_NEAR(scored.log_loss() * static_cast<double>(scored.rows()), loss, 1e-6 * loss);
  const auto kept = dataio::read_predictions(rule, run.store->get(scored.predictions()).value(), "p").value();
  EXPECT_EQ(kept.answers.size(), kept.labels.size() * rule.outputs());
  EXPECT_GE(kept.labels.size(), labels.size()) << "unlabelled rows are predicted too";
}

TEST_P(LabelKinds, WhatCannotBeTaughtIsRefused) {
  TestRun run;
  const auto refusal = [&](dataio::Table rows, uint32_t world, auto change) {
    auto plan = plan_of(run, GetParam(), world, rows);
    plan.set_attempt(attempt_++);
    change(plan);
    const auto ended = run.run(plan);
    EXPECT_EQ(ended.code, 65) << ended.log;
    EXPECT_TRUE(run.outcome(plan).manifest().empty());
    return run.outcome(plan).message();
  };
  const auto as_it_is = [](v1::Plan&) {};
  const std::string column = label_of(GetParam()).column();

  dataio::Table alike = rows_with_labels(400);
  dataio::Column& label = *alike.find(column);
  label = label.type == v1::TEXT
              ? dataio::text_column(column, std::vector<std::string>(400, label_of(GetParam()).classes(1)))
              : dataio::number_column(column, std::vector<double>(400, 7.5));
  EXPECT_THAT(refusal(alike, 1, as_it_is), HasSubstr("there is nothing to tell apart"));

  dataio::Table wrong = rows_with_labels(400);
  dataio::Column& spoiled = *wrong.find(column);
  if (spoiled.type == v1::TEXT) {
    std::vector<std::string> values(400, label_of(GetParam()).classes(0));
    values[17] = "nobody knows";
    spoiled = dataio::text_column(column, values);
    EXPECT_THAT(refusal(wrong, 1, as_it_is),
                HasSubstr("row 18 of the label column '" + column + "' holds 'nobody knows'"));
  } else {
    spoiled.numbers[17] = INFINITY;
    EXPECT_THAT(refusal(wrong, 1, as_it_is), HasSubstr("row 18 of the label column 'minutes' holds inf"));
  }

  dataio::Table unknown = rows_with_labels(400);
  dataio::Column nobody{column, label.type};
  for (int i = 0; i < 400; ++i) nobody.add_missing();
  *unknown.find(column) = nobody;
  EXPECT_THAT(refusal(unknown, 1, as_it_is), HasSubstr("no labelled rows to train on"));
}

TEST(Labels, AChampionWithFewerClassesIsComparedAndAnotherKindIsNot) {
  TestRun run;
  const auto rows = rows_with_labels(3000);
  auto first = plan_of(run, v1::Label::MULTICLASS, 1, rows);
  ASSERT_EQ(run.run(first).code, 0);
  auto second = plan_of(run, v1::Label::MULTICLASS, 1, rows);
  second.set_run("late-2");
  second.set_checkpoints(run.root / "runs" / "late-2" / "checkpoints");
  second.mutable_spec()->mutable_data()->mutable_label()->add_classes("never seen");
  second.set_champion_manifest(run.outcome(first).manifest());
  second.set_champion_version(1);
  auto ended = run.run(second);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_NEAR(run.outcome(second).evaluation().slices(0).champion_log_loss_sum(),
              run.outcome(first).evaluation().slices(0).candidate_log_loss_sum(), 1e-6);

  auto other = plan_of(run, v1::Label::REGRESSION, 1, rows);
  other.set_run("late-3");
  other.set_checkpoints(run.root / "runs" / "late-3" / "checkpoints");
  other.set_champion_manifest(run.outcome(first).manifest());
  other.set_champion_version(1);
  ended = run.run(other);
  EXPECT_EQ(ended.code, 65) << ended.log;
  EXPECT_THAT(run.outcome(other).message(),
              HasSubstr("version 1, cannot be compared with: its label was another"));
}

}  // namespace
}  // namespace rekindle::trainer
