// Plans into snapshots: what is loaded, when the swap comes, and what a failed version may not do.
#include "serving/follower.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <set>

#include "base/hash.h"
#include "models/fake_predictor.h"

namespace rekindle::serving {
namespace {

std::string manifest_of(uint64_t number) {
  return sha256_hex(std::to_string(number));
}

v1::ServingPlan plan_of(uint64_t revision, const std::map<uint64_t, uint32_t>& shares) {
  v1::ServingPlan plan;
  plan.set_model("m");
  plan.set_revision(revision);
  plan.set_salt("s");
  for (const auto& [number, share] : shares) {
    v1::PlannedVersion& version = *plan.add_versions();
    version.set_version(number);
    version.set_share(share);
    version.set_role(share > 0 ? v1::LIVE : v1::PINNED);
    version.set_manifest(manifest_of(number));
  }
  return plan;
}

VersionPtr fake(uint64_t number) {
  auto version = std::make_shared<LoadedVersion>();
  version->model = "m";
  version->number = number;
  version->manifest = manifest_of(number);
  version->predictor = std::make_unique<models::FakePredictor>(0.5);
  return version;
}

class FollowerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rekindle-follower-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    start();
  }
  void TearDown() override {
    follower_.reset();
    fs::remove_all(folder_);
  }
  void start() {
    follower_.reset();
    FollowerHooks hooks;
    hooks.load = [this](const std::string&, const v1::PlannedVersion& planned) -> Result<VersionPtr> {
      std::lock_guard lock(mutex_);
      ++loads_;
      if (damaged_.contains(planned.version())) return data_loss("the weights are damaged");
      return fake(planned.version());
    };
    hooks.retain = [this](const std::vector<std::string>& manifests) {
      std::lock_guard lock(mutex_);
      retained_ = std::set<std::string>(manifests.begin(), manifests.end());
      changed_.notify_all();
    };
    hooks.changed = [this] { changed_.notify_all(); };
    follower_ = std::make_unique<Follower>(
        FollowerOptions{.folder = folder_, .models = {"m"}, .retry = std::chrono::milliseconds(20)},
        std::move(hooks));
    follower_->restore();
    follower_->start();
  }
  ::testing::AssertionResult wait(const std::function<bool(const v1::NodeReport&)>& until) {
    std::unique_lock lock(mutex_);
    for (int i = 0; i < 1000; ++i) {
      if (until(follower_->reports().at(0))) return ::testing::AssertionSuccess();
      changed_.wait_for(lock, std::chrono::milliseconds(10));
    }
    return ::testing::AssertionFailure() << follower_->reports().at(0).ShortDebugString();
  }
  ::testing::AssertionResult wait_revision(uint64_t revision) {
    return wait([&](const v1::NodeReport& report) { return report.revision() == revision; });
  }
  std::shared_ptr<const Snapshot> snapshot() { return follower_->find("m")->snapshot(); }

  fs::path folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<uint64_t> damaged_;
  std::set<std::string> retained_;
  int loads_ = 0;
  std::unique_ptr<Follower> follower_;
};

TEST_F(FollowerTest, SharesFollowTheHashInAscendingOrder) {
  follower_->follow(plan_of(1, {{2, 1000}, {1, 9000}, {3, 0}}));
  ASSERT_TRUE(wait_revision(1));
  std::map<uint64_t, int> answered;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = "request-" + std::to_string(i);
    const uint64_t expected = stable_hash("s" + id) % 10'000 < 9000 ? 1 : 2;
    ASSERT_EQ(snapshot()->choose(id)->number, expected);
    ++answered[expected];
  }
  EXPECT_NEAR(answered[2], 1000, 150);
  EXPECT_EQ(snapshot()->find(3)->number, 3u) << "pinned: only by name";
  EXPECT_EQ(snapshot()->find(4), nullptr);
}

TEST_F(FollowerTest, AFailedVersionGetsNoTrafficAndTheOldPlanGoesOn) {
  follower_->follow(plan_of(1, {{1, 10'000}}));
  ASSERT_TRUE(wait_revision(1));
  damaged_ = {2};
  follower_->follow(plan_of(2, {{1, 9000}, {2, 1000}}));
  ASSERT_TRUE(wait([](const v1::NodeReport& report) {
    return report.versions_size() == 2 && report.versions(1).state() == v1::VersionHealth::FAILED;
  }));
  EXPECT_EQ(follower_->reports().at(0).revision(), 1u);
  EXPECT_EQ(follower_->reports().at(0).versions(1).message(), "data_loss: the weights are damaged");
  EXPECT_EQ(snapshot()->plan.revision(), 1u);
  EXPECT_EQ(snapshot()->find(2), nullptr);
  damaged_ = {};
  EXPECT_TRUE(wait_revision(2)) << "tried again while it is wanted";
}

TEST_F(FollowerTest, AFirstPlanServesWhatItCan) {
  damaged_ = {2};
  follower_->follow(plan_of(1, {{1, 9000}, {2, 1000}}));
  ASSERT_TRUE(wait([&](const v1::NodeReport&) { return snapshot() && snapshot()->ready(); }));
  EXPECT_EQ(follower_->reports().at(0).revision(), 0u) << "not wholly in force";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(snapshot()->choose(std::to_string(i))->number, 1u);
}

TEST_F(FollowerTest, AFailedPinnedVersionDoesNotHoldTheLiveOnesBack) {
  damaged_ = {1};
  follower_->follow(plan_of(1, {{1, 0}, {2, 10'000}}));
  ASSERT_TRUE(wait([&](const v1::NodeReport&) { return snapshot() && snapshot()->ready(); }));
  EXPECT_EQ(follower_->reports().at(0).revision(), 0u);
  EXPECT_EQ(snapshot()->find(1), nullptr);
}

TEST_F(FollowerTest, ReusesLoadedVersionsAndLetsOldOnesGo) {
  follower_->follow(plan_of(1, {{1, 10'000}}));
  ASSERT_TRUE(wait_revision(1));
  std::weak_ptr<const LoadedVersion> first = snapshot()->find(1);
  follower_->follow(plan_of(2, {{1, 9000}, {2, 1000}}));
  ASSERT_TRUE(wait_revision(2));
  EXPECT_EQ(loads_, 2);
  EXPECT_EQ(snapshot()->find(1), first.lock());
  follower_->follow(plan_of(3, {{2, 10'000}}));
  EXPECT_TRUE(wait_revision(3));
  EXPECT_EQ(loads_, 2) << "all loaded: swapped at once";
  EXPECT_TRUE(first.expired());
  ASSERT_TRUE(
      wait([&](const v1::NodeReport&) { return retained_ == std::set<std::string>{manifest_of(2)}; }));
}

TEST_F(FollowerTest, TheLastGoodPlanSurvivesARestart) {
  follower_->follow(plan_of(1, {{1, 10'000}}));
  ASSERT_TRUE(wait_revision(1));
  damaged_ = {2};
  follower_->follow(plan_of(2, {{2, 10'000}}));
  ASSERT_TRUE(wait([](const v1::NodeReport& report) {
    return report.versions(0).version() == 2 && report.versions(0).state() == v1::VersionHealth::FAILED;
  }));
  start();
  ASSERT_TRUE(snapshot() && snapshot()->ready()) << "before anything was heard";
  EXPECT_EQ(snapshot()->choose("a")->number, 1u);
  EXPECT_EQ(follower_->reports().at(0).revision(), 1u);
}

TEST_F(FollowerTest, UnsoundPlansAreNotFollowed) {
  follower_->follow(plan_of(1, {{1, 10'000}}));
  ASSERT_TRUE(wait_revision(1));
  follower_->follow(plan_of(2, {{1, 9000}}));
  v1::ServingPlan nameless = plan_of(3, {{1, 10'000}});
  nameless.mutable_versions(0)->set_manifest("x");
  follower_->follow(nameless);
  v1::ServingPlan other = plan_of(4, {{1, 10'000}});
  other.set_model("other");
  follower_->follow(other);
  EXPECT_EQ(follower_->reports().size(), 1u);
  EXPECT_EQ(follower_->reports().at(0).revision(), 1u);
  EXPECT_EQ(snapshot()->plan.revision(), 1u);
}

TEST(Latencies, QuantileIsWithinAFifth) {
  Latencies latencies;
  EXPECT_EQ(latencies.quantile(0.99), 0);
  for (int i = 1; i <= 1000; ++i) latencies.add(i / 10.0);
  EXPECT_NEAR(latencies.quantile(0.99), 99, 20);
  EXPECT_NEAR(latencies.quantile(0.5), 50, 10);
}

TEST(PredictChecked, NonFiniteAnswersAreFailures) {
  LoadedVersion version;
  version.predictor = std::make_unique<models::FakePredictor>(std::nan(""));
  dataio::Table rows;
  rows.add(dataio::number_column("x", {1}));
  EXPECT_EQ(predict_checked(version, rows, true).status().code(), Code::kInternal);
  EXPECT_EQ(version.health.failed.load(), 1u);
  EXPECT_EQ(version.health.answered.load(), 0u);
}

}  // namespace
}  // namespace rekindle::serving
