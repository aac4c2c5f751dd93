// The node's HTTP surface: Open Inference Protocol v2, NodeService (feedback, flush), metrics, health.
//
// Small requests are answered on the server's thread: a prediction of some rows costs less than a change of
// thread. Large ones go to a pool, so that they do not hold the others up; those of a version with a process
// of its own go to another, whose threads do nothing but wait.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "models/oip/infer.h"
#include "net/connect.h"
#include "net/http_server.h"
#include "rekindle/v1/api.pb.h"
#include "serving/follower.h"
#include "serving/metrics.h"
#include "serving/spool/recorder.h"
#include "serving/waiter.h"

namespace rekindle::serving {

struct RouteOptions {
  models::InferLimits limits;
  size_t inline_bytes = 64 * 1024;               // larger bodies go to the pool
  std::chrono::milliseconds flush_max{60'000};   // how long a flush may wait for the coordinator
  std::chrono::milliseconds commit_max{30'000};  // how long feedback may wait for the disk
};

class Routes {
 public:
  Routes(RouteOptions options, const Clock& clock, Follower& follower, Recorder& recorder,
         NodeMetrics& metrics, boost::asio::thread_pool& pool, boost::asio::thread_pool& waiting);

  void add_to(net::HttpServer& server);
  // How a flush has the node's health reported (Link::report_then); set before the server starts.
  void report_by(std::function<void(std::function<void(Status)>)> report) { report_ = std::move(report); }

  // The whole of one infer call; from any thread.
  net::Response answer(const net::Request& request);

 private:
  struct Chosen {
    std::shared_ptr<const Snapshot> snapshot;
    VersionPtr version;
  };

  void add_model_routes(net::HttpServer& server);
  boost::asio::awaitable<net::Response> infer(net::Request request);
  void answer_on(boost::asio::thread_pool& pool, std::shared_ptr<const net::Request> request,
                 std::shared_ptr<Waiter<net::Response>> waiter);
  Result<std::string> answer_body(const net::Request& request, uint64_t& version, size_t& rows);
  Result<Chosen> choose(const net::Request& request, std::string_view id) const;
  Result<ModelSlot*> slot(const net::Request& request) const;
  net::Response ready() const;
  net::Response model_ready(const net::Request& request) const;
  net::Response metadata(const net::Request& request) const;
  boost::asio::awaitable<Result<v1::FeedbackResponse>> feedback(v1::FeedbackRequest request,
                                                                net::Caller caller);
  boost::asio::awaitable<Result<v1::FlushResponse>> flush(v1::FlushRequest request, net::Caller caller);
  std::optional<dataio::LabelRule> label_rule(const std::string& model) const;
  Status check_feedback(v1::FeedbackRequest& request) const;

  const RouteOptions options_;
  const Clock& clock_;
  Follower& follower_;
  Recorder& recorder_;
  NodeMetrics& metrics_;
  boost::asio::thread_pool& pool_;
  boost::asio::thread_pool& waiting_;
  std::function<void(std::function<void(Status)>)> report_;
};

}  // namespace rekindle::serving
