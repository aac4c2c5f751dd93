#include "registry/canary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/registry/models.h"

namespace rekindle::registry {
namespace {

using ::testing::HasSubstr;

const RolloutClock kNow{5, 5, false, true};
const RolloutClock kBaked{9, kDayUs + 9, false, true};

v1::JobSpec analysed(std::optional<double> margin = std::nullopt) {
  v1::JobSpec out = spec();
  out.mutable_serve()->mutable_analysis()->set_false_alarms(0.01);
  out.mutable_serve()->mutable_analysis()->set_min_rows(200);
  if (margin) out.mutable_serve()->mutable_analysis()->set_margin(*margin);
  return out;
}

// Losses of a spread of one, on so many rows of the new version beside nine times as many of the champion's.
v1::LossComparison labels(double gain, int64_t rows, uint64_t version = 2, uint64_t against = 1) {
  v1::LossComparison out;
  out.set_version(version);
  out.set_against(against);
  out.set_version_rows(rows);
  out.set_against_rows(9 * rows);
  out.set_weight(0.9 * static_cast<double>(rows));
  out.set_weighted_gain(gain * out.weight());
  out.set_degrees(10 * rows - 20);
  out.set_square_sum(static_cast<double>(out.degrees()));
  out.set_slots(10);
  return out;
}

v1::ModelState baking(const v1::JobSpec& spec) {
  v1::ModelState model = model_of(2);
  record(model, begin_rollout(model, spec, 2, Reach::kCanaryFirst, "published", kNow));
  record(model, advance_rollout(model, spec, view(model), kNow));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::BAKING);
  return model;
}

v1::ModelState promoted(const v1::JobSpec& spec) {
  v1::ModelState model = baking(spec);
  record(model, advance_rollout(model, spec, view(model, 500), kBaked));
  record(model, advance_rollout(model, spec, view(model, 500), kBaked));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::PROMOTED);
  EXPECT_EQ(champion(model), 2u);
  return model;
}

TEST(Canary, AFailureOrTwoHoldThePromotionAndDoNotUndoIt) {
  v1::ModelState model = baking(spec());
  EXPECT_TRUE(advance_rollout(model, spec(), view(model, 20, 1), kBaked).empty());
  EXPECT_THAT(waiting_for(model, spec(), view(model, 20, 1)),
              HasSubstr("1 of 21 answers failed, over the limit"));
  record(model, advance_rollout(model, spec(), view(model, 200, 1), kBaked));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::LOADING_ALL);
  EXPECT_EQ(model.rollout().evidence().answered(), 201u);
  EXPECT_LT(model.rollout().evidence().failure_evidence(), 1);
}

TEST(Canary, LabelsUndoWhatTheyProveWorse) {
  v1::ModelState model = baking(analysed());
  const RolloutStep few = weigh_labels(model, analysed(), labels(-5, 199), kNow);
  ASSERT_TRUE(few.rollout);
  EXPECT_EQ(few.rollout->state(), v1::Rollout::BAKING) << "so few rows are no evidence";
  EXPECT_EQ(few.rollout->evidence().labels().version_rows(), 199);

  record(model, weigh_labels(model, analysed(), labels(-0.1, 500), kNow));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::BAKING) << "that may be chance";
  EXPECT_GT(model.rollout().evidence().gain_high(), 0);

  record(model, weigh_labels(model, analysed(), labels(-0.3, 500), kNow));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::ROLLED_BACK);
  EXPECT_THAT(model.rollout().reason(), HasSubstr("labels prove version 2 worse: gain -0.3000 a row"));
  EXPECT_TRUE(find_version(model, 2)->barred());
  EXPECT_FALSE(find_version(model, 2)->proved_worse()) << "it was never promoted";
  EXPECT_EQ(shares(model.plan()), "1:10000");
}

TEST(Canary, PromotionWaitsForLabelsWhereTheSpecSaysSo) {
  const v1::JobSpec spec = analysed(0.15);
  v1::ModelState model = baking(spec);
  EXPECT_TRUE(advance_rollout(model, spec, view(model, 500), kBaked).empty());
  EXPECT_THAT(waiting_for(model, spec, view(model, 500)), HasSubstr("labels of 0 of its rows"));
  record(model, weigh_labels(model, spec, labels(0, 500), kNow));
  EXPECT_TRUE(advance_rollout(model, spec, view(model, 500), kBaked).empty())
      << "it may still lose more than that";
  EXPECT_THAT(waiting_for(model, spec, view(model, 500)), HasSubstr("loses at most 0.15 a row: gain"));
  record(model, weigh_labels(model, spec, labels(0, 2000), kNow));
  EXPECT_TRUE(advance_rollout(model, spec, view(model, 500), kNow).empty()) << "not baked";
  record(model, advance_rollout(model, spec, view(model, 500), kBaked));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::LOADING_ALL);
  EXPECT_THAT(evidence_words(model.rollout().evidence()),
              HasSubstr("0 of 500 answers failed (evidence 0.00"));
  EXPECT_THAT(evidence_words(model.rollout().evidence()),
              HasSubstr("on 2000 labelled rows beside 18000 of version 1"));
}

TEST(Canary, APromotionIsUndoneWhenLabelsProveItWorse) {
  v1::ModelState model = promoted(analysed());
  record(model, weigh_labels(model, analysed(), labels(0.1, 500), kBaked));
  EXPECT_EQ(champion(model), 2u);
  EXPECT_EQ(model.rollout().evidence().gain(), 0.1);

  record(model, weigh_labels(model, analysed(), labels(-0.3, 600), kBaked));
  EXPECT_EQ(champion(model), 1u);
  EXPECT_EQ(shares(model.plan()), "1:10000");
  EXPECT_TRUE(find_version(model, 2)->barred());
  EXPECT_TRUE(find_version(model, 2)->proved_worse());
  EXPECT_THAT(find_version(model, 2)->barred_reason(), HasSubstr("labels prove version 2 worse"));
  EXPECT_TRUE(active(model.rollout())) << "until the nodes have it";
  EXPECT_EQ(model.rollout().version(), 1u);
  EXPECT_TRUE(weigh_labels(model, analysed(), labels(-0.3, 700), kBaked).empty()) << "done already";
}

TEST(Canary, LabelsOfOthersChangeNothing) {
  v1::ModelState model = baking(analysed());
  EXPECT_TRUE(weigh_labels(model, spec(), labels(-1, 1000), kNow).empty()) << "the spec asks for no analysis";
  EXPECT_TRUE(weigh_labels(model, analysed(), labels(-1, 1000, 3, 1), kNow).empty()) << "another version";
  EXPECT_TRUE(weigh_labels(model, analysed(), labels(-1, 1000, 2, 3), kNow).empty()) << "another champion";

  model = promoted(analysed());
  model.set_frozen(true);
  record(model, weigh_labels(model, analysed(), labels(-1, 1000), kBaked));
  EXPECT_EQ(champion(model), 2u) << "a frozen model is undone by people alone";
  model.set_frozen(false);
  model.mutable_versions(0)->set_barred(true);
  record(model, weigh_labels(model, analysed(), labels(-1, 1000), kBaked));
  EXPECT_EQ(champion(model), 2u) << "there is nothing to go back to";

  // What a person made champion never was a canary.
  v1::ModelState by_hand = model_of(2);
  record(by_hand, begin_rollout(by_hand, analysed(), 2, Reach::kAllAtOnce, "by hand", kNow));
  record(by_hand, advance_rollout(by_hand, analysed(), view(by_hand), kNow));
  EXPECT_EQ(champion(by_hand), 2u);
  EXPECT_TRUE(weigh_labels(by_hand, analysed(), labels(-1, 1000), kNow).empty());
}

}  // namespace
}  // namespace rekindle::registry
