#include "registry/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "registry/aliases.h"
#include "tests/registry/models.h"

namespace rekindle::registry {
namespace {

using ::testing::HasSubstr;

TEST(Rollout, FirstVersionReachesAllAtOnce) {
  v1::ModelState model = model_of(1);
  record(model, begin_rollout(model, spec(), 1, Reach::kCanaryFirst, "published", {5, 5, false, false}));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::LOADING_ALL);
  EXPECT_EQ(shares(model.plan()), "1:10000");
  EXPECT_EQ(model.plan().revision(), 1u);
  // One of two nodes is not enough.
  ServingView half = view(model);
  half.versions[1].ready_nodes = 1;
  EXPECT_TRUE(advance_rollout(model, spec(), half, {6, 6, false, false}).empty());
  record(model, advance_rollout(model, spec(), view(model), {7, 7, false, false}));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::PROMOTED);
  EXPECT_EQ(model.rollout().serving_us(), 7);
  EXPECT_EQ(champion(model), 1u);
  EXPECT_TRUE(advance_rollout(model, spec(), view(model), {8, 8, false, false}).empty());
}

TEST(Rollout, WithoutNodesTheFirstIsPromotedAndSeenLater) {
  v1::ModelState model = model_of(1);
  record(model, begin_rollout(model, spec(), 1, Reach::kCanaryFirst, "published", {5, 5, false, false}));
  record(model, advance_rollout(model, spec(), {}, {6, 6, false, false}));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::PROMOTED);
  EXPECT_EQ(model.rollout().serving_us(), 0);
  record(model, advance_rollout(model, spec(), view(model), {9, 9, false, false}));
  EXPECT_EQ(model.rollout().serving_us(), 9);
}

TEST(Rollout, CanaryBakesOnTheModelClock) {
  v1::ModelState model = model_of(2);
  record(model, begin_rollout(model, spec(), 2, Reach::kCanaryFirst, "published", {5, 5, false, true}));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::LOADING_CANARY);
  EXPECT_EQ(shares(model.plan()), "1:9000 2:1000");
  const std::string salt = model.plan().salt();
  // A canary is never judged unseen.
  EXPECT_TRUE(advance_rollout(model, spec(), {}, {6, 6, false, true}).empty());
  ServingView behind = view(model);
  behind.revision -= 1;
  EXPECT_TRUE(advance_rollout(model, spec(), behind, {6, 6, false, true}).empty());

  record(model, advance_rollout(model, spec(), view(model), {100, 7, false, true}));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::BAKING);
  EXPECT_EQ(model.rollout().bake_until_us(), 7 + kDayUs);
  EXPECT_EQ(model.rollout().serving_us(), 100);
  RolloutClock over{200, 7 + kDayUs, false, true};
  EXPECT_TRUE(advance_rollout(model, spec(), view(model, 19), over).empty()) << "too few answers";
  RolloutClock early = over;
  early.model_us -= 1;
  EXPECT_TRUE(advance_rollout(model, spec(), view(model, 1000), early).empty()) << "not baked";
  RolloutClock barred = over;
  barred.may_end_bake = false;
  EXPECT_TRUE(advance_rollout(model, spec(), view(model, 1000), barred).empty()) << "not now";

  record(model, advance_rollout(model, spec(), view(model, 20), over));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::LOADING_ALL);
  EXPECT_EQ(shares(model.plan()), "2:10000");
  EXPECT_EQ(model.plan().salt(), salt);
  EXPECT_EQ(champion(model), 1u) << "promoted only when every node has the full plan";
  record(model, advance_rollout(model, spec(), view(model, 20), over));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::PROMOTED);
  EXPECT_EQ(model.rollout().serving_us(), 100) << "the first time counts";
  EXPECT_EQ(champion(model), 2u);
}

TEST(Rollout, CanaryOfNothingOrAllIsNoCanary) {
  for (double canary : {0.0, 1.0}) {
    v1::ModelState model = model_of(2);
    record(model,
           begin_rollout(model, spec(canary), 2, Reach::kCanaryFirst, "published", {5, 5, false, true}));
    EXPECT_EQ(model.rollout().state(), v1::Rollout::LOADING_ALL);
    EXPECT_EQ(shares(model.plan()), "2:10000");
  }
}

TEST(Rollout, CanaryIsUndone) {
  struct Case {
    const char* name;
    uint64_t answered, failed;
    double p99;
    bool replay, undone;
  };
  const Case cases[] = {
      {"good", 1000, 10, 5, false, false},
      {"more errors than allowed, by chance perhaps", 1000, 11, 5, false, false},
      {"errors", 1000, 40, 5, false, true},
      {"one of few", 19, 1, 5, false, false},
      {"all of few", 0, 3, 5, false, true},
      {"slow", 1000, 0, 251, false, true},
      {"slow in a replay", 1000, 0, 251, true, false},
      {"errors in a replay", 1000, 40, 5, true, true},
  };
  for (const Case& c : cases) {
    v1::ModelState model = model_of(2);
    RolloutClock clock{5, 5, c.replay, true};
    record(model, begin_rollout(model, spec(), 2, Reach::kCanaryFirst, "published", clock));
    record(model, advance_rollout(model, spec(), view(model), clock));
    ASSERT_EQ(model.rollout().state(), v1::Rollout::BAKING);
    record(model, advance_rollout(model, spec(), view(model, c.answered, c.failed, c.p99), clock));
    EXPECT_EQ(model.rollout().state() == v1::Rollout::ROLLED_BACK, c.undone) << c.name;
    if (!c.undone) continue;
    EXPECT_EQ(shares(model.plan()), "1:10000") << c.name;
    EXPECT_TRUE(find_version(model, 2)->barred()) << c.name;
    EXPECT_EQ(champion(model), 1u) << c.name;
    EXPECT_THAT(model.rollout().reason(), HasSubstr("limit")) << c.name;
  }
}

TEST(Rollout, AVersionThatCannotBeLoadedGetsNoTraffic) {
  v1::ModelState model = model_of(2);
  record(model, begin_rollout(model, spec(), 2, Reach::kCanaryFirst, "published", {5, 5, false, true}));
  ServingView broken = view(model);
  broken.versions[2] = {1, 1, "node b: model.safetensors has another hash", 0, 0, 0};
  record(model, advance_rollout(model, spec(), broken, {6, 6, false, true}));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::ROLLED_BACK);
  EXPECT_THAT(model.rollout().reason(), HasSubstr("node b"));
  EXPECT_EQ(shares(model.plan()), "1:10000");
}

TEST(Rollout, RollbackOfACanaryAndOfAChampion) {
  v1::ModelState model = model_of(3);  // champion 2
  RolloutClock clock{5, 5, false, true};
  record(model, begin_rollout(model, spec(), 3, Reach::kCanaryFirst, "published", clock));
  auto canary = roll_back(model, spec(), 0, "anna", "smells", clock);
  ASSERT_TRUE(canary.ok());
  record(model, *canary);
  EXPECT_EQ(shares(model.plan()), "2:10000");
  EXPECT_TRUE(find_version(model, 3)->barred());

  auto back = roll_back(model, spec(), 0, "anna", "worse than before", clock);
  ASSERT_TRUE(back.ok());
  record(model, *back);
  EXPECT_EQ(champion(model), 1u) << "the alias goes back at once";
  EXPECT_EQ(shares(model.plan()), "1:10000");
  EXPECT_TRUE(find_version(model, 2)->barred());
  EXPECT_TRUE(active(model.rollout())) << "until the nodes have it";
  record(model, advance_rollout(model, spec(), view(model), clock));
  EXPECT_EQ(model.rollout().state(), v1::Rollout::PROMOTED);

  EXPECT_EQ(roll_back(model, spec(), 0, "anna", "again", clock).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(roll_back(model, spec(), 1, "anna", "same", clock).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(roll_back(model, spec(), 9, "anna", "none", clock).status().code(), Code::kNotFound);
  // By name a person may go to a barred version; it is barred no longer.
  auto forward = roll_back(model, spec(), 2, "anna", "it was the feed", clock);
  ASSERT_TRUE(forward.ok());
  record(model, *forward);
  EXPECT_EQ(champion(model), 2u);
  EXPECT_FALSE(find_version(model, 2)->barred());
  EXPECT_TRUE(find_version(model, 1)->barred());
}

TEST(Rollout, AnotherRolloutSupersedes) {
  v1::ModelState model = model_of(3);
  RolloutClock clock{5, 5, false, true};
  record(model, begin_rollout(model, spec(), 3, Reach::kCanaryFirst, "published", clock));
  RolloutStep step = begin_rollout(model, spec(), 1, Reach::kAllAtOnce, "by hand", clock);
  ASSERT_TRUE(step.superseded.has_value());
  EXPECT_EQ(step.superseded->state(), v1::Rollout::SUPERSEDED);
  record(model, step);
  EXPECT_EQ(shares(model.plan()), "1:10000");
  record(model, advance_rollout(model, spec(), view(model), clock));
  EXPECT_EQ(champion(model), 1u);
}

TEST(Plan, PinnedVersionsStayAndSharesSum) {
  v1::ModelState model = model_of(3);
  model.add_pinned(1);
  model.add_pinned(2);
  RolloutClock clock{5, 5, true, true};
  record(model, begin_rollout(model, spec(0.00004), 3, Reach::kCanaryFirst, "published", clock));
  EXPECT_EQ(shares(model.plan()), "1:pinned 2:9999 3:1") << "a share is never rounded to nothing";
  EXPECT_EQ(model.plan().slot_us(), 3'600'000'000);
  EXPECT_FALSE(changed_plan(model, spec(0.00004), model.rollout()).has_value());
  model.clear_pinned();
  auto plan = changed_plan(model, spec(0.00004), model.rollout());
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(shares(*plan), "2:9999 3:1");
  EXPECT_EQ(plan->revision(), model.plan().revision() + 1);
}

TEST(View, LeastRevisionAndSlowestNode) {
  v1::NodeReport a, b;
  a.set_node("a");
  a.set_revision(4);
  auto* health = a.add_versions();
  health->set_version(1);
  health->set_state(v1::VersionHealth::READY);
  health->set_answered(10);
  health->set_latency_p99_ms(3);
  b = a;
  b.set_node("b");
  b.set_revision(3);
  b.mutable_versions(0)->set_latency_p99_ms(9);
  ServingView view = view_of({a, b});
  EXPECT_EQ(view.nodes, 2u);
  EXPECT_EQ(view.revision, 3u);
  EXPECT_EQ(view.versions[1].answered, 20u);
  EXPECT_EQ(view.versions[1].latency_p99_ms, 9);
  EXPECT_TRUE(view.ready(1));
  b.mutable_versions(0)->set_state(v1::VersionHealth::FAILED);
  b.mutable_versions(0)->set_message("no space");
  view = view_of({a, b});
  EXPECT_FALSE(view.ready(1));
  EXPECT_EQ(view.versions[1].failure, "node b: no space");
  EXPECT_FALSE(ServingView().ready(1));
}

TEST(Aliases, CompareAndSwap) {
  v1::ModelState model = model_of(3);
  auto move = [&](uint64_t to, std::optional<uint64_t> expected) {
    return move_alias(model, {"stable", to, expected, "anna", "because"}, 5);
  };
  EXPECT_EQ(move(2, 1).status().code(), Code::kAborted);
  EXPECT_EQ(move(7, std::nullopt).status().code(), Code::kNotFound);
  auto first = move(2, 0);
  ASSERT_TRUE(first.ok() && *first);
  apply_move(model, **first);
  EXPECT_EQ(alias_target(model, "stable"), 2u);
  auto same = move(2, 2);
  ASSERT_TRUE(same.ok());
  EXPECT_FALSE(same->has_value()) << "nothing to move";
  auto gone = move(0, 2);
  ASSERT_TRUE(gone.ok() && *gone);
  apply_move(model, **gone);
  EXPECT_EQ(alias_target(model, "stable"), 0u);
  EXPECT_EQ(model.history().rbegin()->reason(), "because");
  EXPECT_EQ(move_alias(model, {"Not A Name", 1, std::nullopt, "", ""}, 5).status().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace rekindle::registry
