// A coordinator that hands out plans and remembers what nodes tell it, on a thread of its own.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "net/connect.h"
#include "net/http_server.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::serving::testing {

inline constexpr const char* kServingToken = "serving-token";
inline constexpr const char* kOperatorToken = "operator-token";

class FakeCoordinator {
 public:
  explicit FakeCoordinator(uint16_t port = 0);
  ~FakeCoordinator();

  std::string url() const { return url_; }
  uint16_t port() const { return port_; }
  void set_plan(const v1::ServingPlan& plan);
  void refuse_appends(Status status);  // ok: takes them again

  // Waits at most 10 s; false when it did not come true.
  bool wait(const std::function<bool(FakeCoordinator&)>& until);
  bool wait_in_force(const std::string& model, uint64_t revision);

  // Called with wait()'s lock held, or when nothing runs any more.
  std::map<std::string, v1::NodeReport> reports;  // newest, by model
  std::vector<v1::EventBatch> batches;            // applied once each
  uint64_t repeated = 0;                          // batches seen again
  uint64_t appends = 0;
  size_t requests() const;
  size_t labels() const;
  int64_t counted_rows() const;

 private:
  boost::asio::awaitable<Status> watch(v1::WatchPlanRequest request, net::Caller caller,
                                       net::Writer<v1::PlanUpdate>& out);
  boost::asio::awaitable<Result<v1::ReportNodeResponse>> report(v1::NodeReport report, net::Caller caller);
  boost::asio::awaitable<Result<v1::AppendResponse>> append(v1::EventBatch batch, net::Caller caller);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, v1::ServingPlan> plans_;
  std::set<std::tuple<std::string, std::string, uint64_t>> seen_;
  Status refusal_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<net::HttpServer> server_;
  std::string url_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace rekindle::serving::testing
