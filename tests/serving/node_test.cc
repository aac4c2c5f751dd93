// A node over HTTP with a coordinator of the test's own: inference, feedback, flush, events exactly once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

#include "fake_coordinator.h"
#include "running_node.h"
#include "versions.h"

namespace rekindle::serving::testing {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kEvent = 380'000 * kHour + 5;  // in 2013
constexpr const char* kInfer = "/v2/models/m/infer";

// Version 1 answers 0.1, version 2 answers 0.2.
Result<VersionPtr> load_tenths(const std::string& model, const v1::PlannedVersion& planned) {
  return constant_version(model, planned.version(), 0.1 * static_cast<double>(planned.version()));
}

class NodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    coordinator_ = std::make_unique<FakeCoordinator>();
    coordinator_->set_plan(plan_of("m", 1, {{1, 10'000}, {2, 0}}));
    start();
    ASSERT_TRUE(coordinator_->wait_in_force("m", 1));
  }
  void start(uint64_t spool_bytes_max = 1 << 20) {
    NodeOptions options = node_options(coordinator_->url(), state_.path());
    options.spool_bytes_max = spool_bytes_max;
    options.load = load_tenths;
    node_ = std::make_unique<RunningNode>(std::move(options));
    client_ = std::make_unique<net::HttpClient>(http_client(node_->url(), kServingToken));
    operator_ = std::make_unique<net::HttpClient>(http_client(node_->url(), kOperatorToken));
  }
  net::Reply get(const std::string& path) {
    auto reply = client_->request("GET", path);
    CHECK(reply.ok(), reply.status().message());
    return *reply;
  }
  Result<v1::FlushResponse> flush() {
    v1::FlushRequest request;
    request.set_model("m");
    net::ConnectClient client(node_->url(), kOperatorToken);
    return client.call<v1::FlushRequest, v1::FlushResponse>("rekindle.v1.NodeService/Flush", request);
  }
  Result<v1::FeedbackResponse> feedback(const std::string& id, std::vector<double> labels) {
    v1::FeedbackRequest request;
    request.set_model("m");
    v1::LabelRecord& label = *request.add_labels();
    label.set_request_id(id);
    label.set_event_time_us(kEvent);
    for (const double value : labels) label.add_labels(value);
    net::ConnectClient client(node_->url(), kServingToken);
    return client.call<v1::FeedbackRequest, v1::FeedbackResponse>("rekindle.v1.NodeService/Feedback",
                                                                  request);
  }

  TempFolder state_;
  std::unique_ptr<FakeCoordinator> coordinator_;
  std::unique_ptr<RunningNode> node_;
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<net::HttpClient> operator_;
};

TEST_F(NodeTest, AnswersNamedColumns) {
  const net::Reply reply = post(*client_, kInfer, infer_body("r-1", 3, kEvent));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(
      reply.body,
      R"({"model_name":"m","model_version":"1","id":"r-1","outputs":[{"name":"probability","datatype":"FP64",)"
      R"("shape":[3],"data":[0.1,0.1,0.1]}]})");
  const auto anonymous = boost::json::parse(post(*client_, kInfer, infer_body("", 1)).body).as_object();
  EXPECT_EQ(anonymous.at("id").as_string().size(), 36u);
  const net::Reply pinned = post(*client_, "/v2/models/m/versions/2/infer", infer_body("r-2", 1));
  EXPECT_THAT(pinned.body, HasSubstr(R"("model_version":"2")"));
  EXPECT_THAT(pinned.body, HasSubstr("[0.2]"));
}

TEST_F(NodeTest, LargeRequestsAreAnsweredByThePool) {
  const net::Reply reply = post(*client_, kInfer, infer_body("big", 9'000, kEvent));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(boost::json::parse(reply.body).at("outputs").at(0).at("data").as_array().size(), 9'000u);
}

TEST_F(NodeTest, StatusesAndErrors) {
  EXPECT_EQ(get("/v2/health/live").status, 200);
  EXPECT_EQ(get("/v2/health/ready").status, 200);
  EXPECT_THAT(get("/v2").body, HasSubstr("\"name\":\"rekindle\""));
  EXPECT_THAT(get("/v2/models/m").body, HasSubstr(R"("versions":["1","2"])"));
  EXPECT_EQ(get("/v2/models/m/versions/2/ready").status, 200);
  EXPECT_EQ(get("/v2/models/m/versions/9/ready").status, 404);
  EXPECT_EQ(get("/v2/models/other").status, 404);
  EXPECT_EQ(get("/v2/models/m/versions/x").status, 404);
  EXPECT_EQ(post(*client_, "/v2/models/m/versions/9/infer", infer_body("", 1)).status, 404);
  EXPECT_EQ(post(*client_, "/v2/models/other/infer", infer_body("", 1)).status, 404);
  const net::Reply bad =
      post(*client_, kInfer, R"({"inputs":[{"name":"z","datatype":"FP64","shape":[1],"data":[1]}]})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr(R"("error":"unknown input 'z'; the model takes: sched, x, color")"));
  EXPECT_EQ(post(*client_, kInfer, infer_body("", 10'001)).status, 400);
  net::HttpClient stranger = http_client(node_->url(), "wrong");
  EXPECT_EQ(post(stranger, kInfer, infer_body("", 1)).status, 401);
  EXPECT_EQ(stranger.request("GET", "/v2/health/ready")->status, 200);
  EXPECT_EQ(stranger.request("GET", "/metrics")->status, 401);
}

TEST_F(NodeTest, NotReadyIsToldWith503) {
  TempFolder state;
  FakeCoordinator silent;
  NodeOptions options = node_options(silent.url(), state.path());
  options.load = load_tenths;
  RunningNode node(std::move(options));
  net::HttpClient client = http_client(node.url(), kServingToken);
  const net::Reply reply = post(client, kInfer, infer_body("", 1));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.get("Retry-After"), "1");
  EXPECT_EQ(client.request("GET", "/v2/health/ready")->status, 503);
  EXPECT_EQ(client.request("GET", "/v2/health/live")->status, 200);
}

TEST_F(NodeTest, FlushSendsRequestsWithTheirCountsOnce) {
  post(*client_, kInfer, infer_body("a", 3, kEvent));
  post(*client_, kInfer, infer_body("b", 2, kEvent + kHour));
  const auto flushed = flush();
  ASSERT_TRUE(flushed.ok()) << flushed.status().message();
  EXPECT_EQ(flushed->requests(), 2u);
  ASSERT_TRUE(coordinator_->wait([](FakeCoordinator& self) {
    return self.requests() == 2 && self.reports["m"].newest_event_us() == kEvent + kHour &&
           !self.reports["m"].idle();
  }));
  coordinator_->wait([](FakeCoordinator& self) {
    const v1::EventBatch& batch = self.batches.at(0);
    EXPECT_EQ(batch.node(), "n1");
    EXPECT_EQ(batch.model(), "m");
    EXPECT_EQ(batch.seq(), 1u);
    EXPECT_EQ(batch.counts_size(), 2) << "one for each slot";
    EXPECT_EQ(batch.counts(0).slot_us(), kEvent / kHour * kHour);
    EXPECT_EQ(batch.counts(0).rows(), 3);
    EXPECT_EQ(batch.counts(0).version(), 1u);
    EXPECT_EQ(batch.counts(0).features_size(), 2);
    const v1::RequestRecord& record = batch.requests(0);
    EXPECT_EQ(record.request_id(), "a");
    EXPECT_EQ(record.version(), 1u);
    EXPECT_EQ(record.event_time_us(), kEvent);
    EXPECT_EQ(record.rows(), 3u);
    EXPECT_EQ(record.columns_size(), 3);
    EXPECT_EQ(record.columns(0).numbers(0), static_cast<double>(kEvent));
    EXPECT_EQ(record.columns(2).texts(0), "red");
    EXPECT_EQ(record.predictions(2), 0.1);
    return true;
  });
}

TEST_F(NodeTest, RequestsAreSentWithoutAFlush) {
  post(*client_, kInfer, infer_body("a", 3, kEvent));
  EXPECT_TRUE(coordinator_->wait([](FakeCoordinator& self) { return self.requests() == 1; }));
}

TEST_F(NodeTest, UnrecordedRequestsNeedAnOperatorAndLeaveNoTrace) {
  const std::string body = infer_body("quiet", 2, kEvent, false);
  EXPECT_EQ(post(*client_, kInfer, body).status, 403);
  EXPECT_EQ(post(*operator_, kInfer, body).status, 200);
  post(*client_, kInfer, infer_body("loud", 1, kEvent));
  const auto flushed = flush();
  ASSERT_TRUE(flushed.ok());
  EXPECT_EQ(flushed->requests(), 1u);
  coordinator_->wait([](FakeCoordinator& self) {
    EXPECT_EQ(self.counted_rows(), 1);
    return true;
  });
  EXPECT_EQ(node_->node().follower().reports().at(0).versions(0).answered(), 1u)
      << "nor do they make a canary old";
}

TEST_F(NodeTest, AClientsRetryIsRecordedOnce) {
  const std::string body = infer_body("again", 2, kEvent);
  EXPECT_EQ(post(*client_, kInfer, body).body, post(*client_, kInfer, body).body);
  ASSERT_TRUE(flush().ok());
  coordinator_->wait([](FakeCoordinator& self) {
    EXPECT_EQ(self.requests(), 1u);
    EXPECT_EQ(self.counted_rows(), 2);
    return true;
  });
}

TEST_F(NodeTest, FlushNeedsAnOperator) {
  net::ConnectClient client(node_->url(), kServingToken);
  const auto refused = client.call<v1::FlushRequest, v1::FlushResponse>("rekindle.v1.NodeService/Flush", {});
  EXPECT_EQ(refused.status().code(), Code::kPermissionDenied);
}

TEST_F(NodeTest, FeedbackIsCheckedKeptAndSent) {
  EXPECT_EQ(feedback("", {1}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(feedback("a", {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(feedback("a", {0.5}).status().code(), Code::kInvalidArgument);
  const auto taken = feedback("a", {1, std::nan(""), 0});
  ASSERT_TRUE(taken.ok()) << taken.status().message();
  EXPECT_EQ(taken->accepted(), 1u);
  ASSERT_TRUE(coordinator_->wait([](FakeCoordinator& self) { return self.labels() == 1; }));
  coordinator_->wait([](FakeCoordinator& self) {
    const v1::LabelRecord& label = self.batches.at(0).labels(0);
    EXPECT_EQ(label.request_id(), "a");
    EXPECT_TRUE(std::isnan(label.labels(1)));
    EXPECT_GT(label.known_at_us(), kEvent) << "the node's clock when the client says nothing";
    return true;
  });
}

TEST_F(NodeTest, WhatTheCoordinatorDidNotTakeComesAgainAfterARestartOnce) {
  coordinator_->refuse_appends(unavailable("not now"));
  post(*client_, kInfer, infer_body("a", 3, kEvent));
  ASSERT_TRUE(feedback("a", {1, 0, 0}).ok());
  ASSERT_TRUE(coordinator_->wait([](FakeCoordinator& self) { return self.appends > 0; }));
  node_.reset();
  coordinator_->refuse_appends(ok_status());
  start();
  ASSERT_TRUE(
      coordinator_->wait([](FakeCoordinator& self) { return self.requests() == 1 && self.labels() == 1; }));
  post(*client_, kInfer, infer_body("b", 2, kEvent));
  ASSERT_TRUE(flush().ok());
  coordinator_->wait([](FakeCoordinator& self) {
    EXPECT_EQ(self.requests(), 2u);
    EXPECT_EQ(self.labels(), 1u);
    EXPECT_EQ(self.counted_rows(), 5);
    EXPECT_NE(self.batches.front().boot(), self.batches.back().boot());
    return true;
  });
}

TEST_F(NodeTest, ARefusedBatchIsPutAsideAndTheFlushSaysSo) {
  coordinator_->refuse_appends(invalid_argument("no such column"));
  post(*client_, kInfer, infer_body("a", 3, kEvent));
  const auto flushed = flush();
  EXPECT_EQ(flushed.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(flushed.status().message(), HasSubstr("no such column"));
  coordinator_->refuse_appends(ok_status());
  post(*client_, kInfer, infer_body("b", 3, kEvent));
  EXPECT_TRUE(flush().ok()) << "told once";
  coordinator_->refuse_appends(invalid_argument("no such column"));
  uint64_t before = 0;
  coordinator_->wait([&](FakeCoordinator& self) {
    before = self.appends;
    return true;
  });
  post(*client_, kInfer, infer_body("c", 3, kEvent));
  ASSERT_TRUE(coordinator_->wait([&](FakeCoordinator& self) { return self.appends > before; }));
  EXPECT_FALSE(flush().ok()) << "also when it was sent before the flush";
}

TEST_F(NodeTest, FullOfLabelsIs503) {
  node_.reset();
  coordinator_->refuse_appends(unavailable("not now"));
  start(600);
  Result<v1::FeedbackResponse> answer = v1::FeedbackResponse();
  for (int i = 0; i < 20 && answer.ok(); ++i) answer = feedback("id-" + std::to_string(i), {1});
  EXPECT_EQ(answer.status().code(), Code::kUnavailable);
  EXPECT_THAT(answer.status().message(), HasSubstr("spool is full"));
  EXPECT_EQ(post(*client_, kInfer, infer_body("a", 1, kEvent)).status, 200) << "answers go on";
}

TEST_F(NodeTest, MetricsAndOneNodePerStateFolder) {
  post(*client_, kInfer, infer_body("a", 3, kEvent));
  const std::string metrics = get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr(R"(rekindle_infer_requests_total{model="m",status="200",version="1"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(rekindle_infer_rows_total{model="m",version="1"} 3)"));
  EXPECT_THAT(metrics, HasSubstr(R"(rekindle_plan_revision{model="m"} 1)"));
  boost::asio::io_context io;
  NodeOptions options = node_options(coordinator_->url(), state_.path());
  options.load = load_tenths;
  const auto second = Node::start(io, std::move(options));
  EXPECT_EQ(second.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("another serving node uses the state folder"));
}

TEST_F(NodeTest, RefusesAnAddressThatIsNotLoopback) {
  TempFolder state;
  NodeOptions options = node_options(coordinator_->url(), state.path());
  options.address = "0.0.0.0";
  options.load = load_tenths;
  boost::asio::io_context io;
  EXPECT_FALSE(Node::start(io, options).ok());
}

}  // namespace
}  // namespace rekindle::serving::testing
