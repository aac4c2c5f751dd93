// Versions with a process of their own on a node: how they take over, what they may do wrong, and that
// nothing is left of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/process.h"
#include "fake_coordinator.h"
#include "running_node.h"
#include "versions.h"

namespace rekindle::serving::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kInfer = "/v2/models/m/infer";

class NodePredictors : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = artifacts::open_folder_store(artifacts_.path()).value();
    plain_ = publish_version(*store_, "m", 0.25);
    coordinator_ = std::make_unique<FakeCoordinator>();
    coordinator_->set_plan(plan_of("m", 1, {{1, 10'000, plain_}}));
  }
  void start(milliseconds deadline = milliseconds(20'000), milliseconds retry = milliseconds(30'000)) {
    NodeOptions options = node_options(coordinator_->url(), state_.path() / "node");
    options.models = {};
    options.artifacts = artifacts_.path();
    options.predictors.deadline = deadline;
    options.retry = retry;
    node_ = std::make_unique<RunningNode>(std::move(options));
    client_ = std::make_unique<net::HttpClient>(http_client(node_->url(), kServingToken));
    ASSERT_TRUE(coordinator_->wait_in_force("m", 1));
  }
  net::Reply infer(const std::string& path = kInfer) { return post(*client_, path, infer_body("", 4)); }
  bool wait_failed(uint64_t number, v1::VersionHealth& health) {
    return coordinator_->wait([&](FakeCoordinator& self) {
      for (const v1::VersionHealth& version : self.reports["m"].versions())
        if (version.version() == number) health = version;
      return health.state() == v1::VersionHealth::FAILED;
    });
  }
  std::vector<pid_t> processes() const {
    return processes_with_environment("REKINDLE_PREDICTORS=" + (state_.path() / "node/predictors").string());
  }
  // A version is let go of when the last of its requests has been recorded, a moment after its answer.
  void expect_processes(size_t count) const {
    for (int i = 0; i < 2000 && processes().size() != count; ++i)
      std::this_thread::sleep_for(milliseconds(5));
    EXPECT_EQ(processes().size(), count);
  }
  void touch(const fs::path& path) { ASSERT_TRUE(write_file_durably(path, "").ok()); }

  TempFolder state_, artifacts_;
  std::unique_ptr<artifacts::Store> store_;
  std::string plain_;
  std::unique_ptr<FakeCoordinator> coordinator_;
  std::unique_ptr<RunningNode> node_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(NodePredictors, TakesOverUnderTrafficAndGoesWithItsLastRequest) {
  start();
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0}, answered{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c)
    clients.emplace_back([&] {
      net::HttpClient client = http_client(node_->url(), kServingToken);
      while (!stop) (post(client, kInfer, infer_body("", 4)).status == 200 ? answered : failed) += 1;
    });
  const std::string first = publish_process_version(*store_, "m", 0.5);
  const std::string second = publish_process_version(*store_, "m", 0.75);
  const std::vector<std::string> manifests = {first, second, plain_};
  for (uint64_t next = 2; next < 8; ++next) {
    coordinator_->set_plan(plan_of("m", next, {{next, 10'000, manifests[next % 3]}}));
    EXPECT_TRUE(coordinator_->wait_in_force("m", next)) << next;
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GT(answered, 20);
  EXPECT_THAT(infer().body, AllOf(HasSubstr(R"("model_version":"7")"), HasSubstr("0.7")));
  expect_processes(1);
  coordinator_->set_plan(plan_of("m", 8, {{1, 10'000, plain_}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 8));
  EXPECT_EQ(infer().status, 200);
  expect_processes(0);
}

TEST_F(NodePredictors, OneThatDoesNotStartGetsNoTrafficAndSaysWhy) {
  start();
  const std::string broken = publish_process_version(*store_, "m", 0.5, {"--fault", "exit-3"});
  coordinator_->set_plan(plan_of("m", 2, {{1, 9'000, plain_}, {2, 1'000, broken}}));
  v1::VersionHealth health;
  ASSERT_TRUE(wait_failed(2, health));
  EXPECT_THAT(health.message(), AllOf(HasSubstr("exit code 3"), HasSubstr("no module named 'frobnicate'")));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(infer().body, HasSubstr(R"("model_version":"1")"));
}

TEST_F(NodePredictors, OneThatAnswersNonsenseGetsNoTraffic) {
  start();
  const std::string broken = publish_process_version(*store_, "m", 0.5, {"--fault", "nan"});
  coordinator_->set_plan(plan_of("m", 2, {{1, 9'000, plain_}, {2, 1'000, broken}}));
  v1::VersionHealth health;
  ASSERT_TRUE(wait_failed(2, health));
  EXPECT_THAT(health.message(), HasSubstr("not JSON"));
}

TEST_F(NodePredictors, OneThatKeepsDyingInServiceLosesItsTraffic) {
  start();
  const fs::path trigger = state_.path() / "die";
  const std::string mortal =
      publish_process_version(*store_, "m", 0.5, {"--fault", "die-when", "--file", trigger});
  coordinator_->set_plan(plan_of("m", 2, {{1, 5'000, plain_}, {2, 5'000, mortal}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2));
  EXPECT_EQ(infer("/v2/models/m/versions/2/infer").status, 200);
  touch(trigger);
  const net::Reply lost = infer("/v2/models/m/versions/2/infer");
  EXPECT_EQ(lost.status, 503);
  EXPECT_THAT(lost.body, HasSubstr("the file is there"));
  v1::VersionHealth health;
  for (int i = 0; i < 10; ++i) infer("/v2/models/m/versions/2/infer");
  ASSERT_TRUE(wait_failed(2, health));
  EXPECT_THAT(health.message(), AllOf(HasSubstr("died too often"), HasSubstr("the file is there")));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(infer().body, HasSubstr(R"("model_version":"1")"));
  EXPECT_TRUE(processes().empty());
}

TEST_F(NodePredictors, ThePlanInForceGoesOnWithoutTheOneThatDied) {
  start();
  const fs::path trigger = state_.path() / "die";
  const std::string mortal =
      publish_process_version(*store_, "m", 0.5, {"--fault", "die-when", "--file", trigger});
  const std::string broken = publish_process_version(*store_, "m", 0.5, {"--fault", "exit-3"});
  coordinator_->set_plan(plan_of("m", 2, {{1, 5'000, plain_}, {2, 5'000, mortal}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2));
  // The next plan names neither version 1 nor anything that could take its place.
  coordinator_->set_plan(plan_of("m", 3, {{2, 5'000, mortal}, {3, 5'000, broken}}));
  v1::VersionHealth health;
  ASSERT_TRUE(wait_failed(3, health));
  touch(trigger);
  for (int i = 0; i < 10; ++i) infer("/v2/models/m/versions/2/infer");
  ASSERT_TRUE(wait_failed(2, health));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(infer().body, HasSubstr(R"("model_version":"1")"));
}

TEST_F(NodePredictors, TheOnlyVersionComesBackWhenItLivesAgain) {
  start(milliseconds(20'000), milliseconds(200));
  const fs::path trigger = state_.path() / "die";
  const std::string mortal =
      publish_process_version(*store_, "m", 0.5, {"--fault", "die-when", "--file", trigger});
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, mortal}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2));
  touch(trigger);
  v1::VersionHealth health;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(infer().status, 503);
  ASSERT_TRUE(wait_failed(2, health));
  EXPECT_EQ(client_->request("GET", "/v2/health/ready")->status, 503);
  fs::remove(trigger);
  ASSERT_TRUE(coordinator_->wait([](FakeCoordinator& self) {
    const v1::NodeReport& report = self.reports["m"];
    return report.versions_size() == 1 && report.versions(0).state() == v1::VersionHealth::READY;
  }));
  EXPECT_EQ(infer().status, 200);
}

TEST_F(NodePredictors, AHangCostsTheDeadlineAndHoldsNobodyElseUp) {
  start(milliseconds(1'500));
  const fs::path trigger = state_.path() / "stop";
  const std::string lazy =
      publish_process_version(*store_, "m", 0.5, {"--fault", "stop-when", "--file", trigger});
  const std::string other = publish_version(*store_, "other", 0.5);
  coordinator_->set_plan(plan_of("other", 1, {{1, 10'000, other}}));
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, lazy}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2));
  ASSERT_TRUE(coordinator_->wait_in_force("other", 1));
  touch(trigger);
  std::atomic<bool> over{false};
  std::thread asking([&] {
    net::HttpClient client = http_client(node_->url(), kServingToken);
    const net::Reply reply = post(client, kInfer, infer_body("", 4));
    over = true;
    EXPECT_EQ(reply.status, 504) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr("no answer within 1500 ms"));
  });
  int meanwhile = 0;
  while (!over) {
    EXPECT_EQ(infer("/v2/models/other/infer").status, 200);
    meanwhile += !over;
  }
  asking.join();
  EXPECT_GT(meanwhile, 3);
  fs::remove(trigger);
  for (int i = 0; i < 2000 && infer().status != 200; ++i) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(infer().status, 200);
}

TEST_F(NodePredictors, ItsFiguresAreInTheMetrics) {
  start();
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, publish_process_version(*store_, "m", 0.5)}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2));
  const std::string metrics = client_->request("GET", "/metrics")->body;
  EXPECT_THAT(metrics, HasSubstr(R"(rekindle_predictor_up{model="m",version="2"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(rekindle_predictor_restarts{model="m",version="2"} 0)"));
  coordinator_->set_plan(plan_of("m", 3, {{1, 10'000, plain_}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 3));
  EXPECT_THAT(client_->request("GET", "/metrics")->body, Not(HasSubstr("rekindle_predictor_up{")));
}

TEST_F(NodePredictors, APackageNeedsTheOperatorsWord) {
  start();
  v1::ModelCard card = test_card("m");
  card.mutable_predict()->set_package("model.pt2");
  const std::string manifest = publish_card(*store_, card, {{"out/model.pt2", "not a package"}});
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, manifest}}));
  v1::VersionHealth health;
  ASSERT_TRUE(wait_failed(2, health));
  EXPECT_THAT(health.message(), HasSubstr("--allow-packages"));
}

TEST_F(NodePredictors, StoppingTheNodeEndsThemAlsoWhileOneStarts) {
  start();
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, publish_process_version(*store_, "m", 0.5)}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2));
  const std::string late = publish_process_version(*store_, "m", 0.5, {"--fault", "late"});
  coordinator_->set_plan(plan_of("m", 3, {{3, 10'000, late}}));
  for (int i = 0; i < 4000 && processes().size() < 2; ++i) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(processes().size(), 2u);
  const auto begin = std::chrono::steady_clock::now();
  node_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30)) << "start_within is 60 s";
  EXPECT_TRUE(processes().empty());
  EXPECT_TRUE(fs::is_empty(state_.path() / "node/predictors"));
}

}  // namespace
}  // namespace rekindle::serving::testing
