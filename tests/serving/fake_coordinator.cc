#include "fake_coordinator.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

namespace rekindle::serving::testing {

namespace asio = boost::asio;

FakeCoordinator::FakeCoordinator(uint16_t port) {
  net::ServerOptions options;
  options.port = port;
  options.tokens = {net::token_of(kServingToken, net::Role::kServing, "serving"),
                    net::token_of(kOperatorToken, net::Role::kOperator, "operator")};
  server_ = std::make_unique<net::HttpServer>(io_, options);
  net::add_server_stream<v1::WatchPlanRequest, v1::PlanUpdate>(
      *server_, "rekindle.v1.ServingService/WatchPlan", net::Access::kServing,
      [this](v1::WatchPlanRequest request, net::Caller caller, net::Writer<v1::PlanUpdate>& out) {
        return watch(std::move(request), std::move(caller), out);
      });
  net::add_unary<v1::NodeReport, v1::ReportNodeResponse>(
      *server_, "rekindle.v1.ServingService/ReportNode", net::Access::kServing,
      [this](v1::NodeReport request, net::Caller caller) {
        return report(std::move(request), std::move(caller));
      });
  net::add_unary<v1::EventBatch, v1::AppendResponse>(*server_, "rekindle.v1.EventService/Append",
                                                     net::Access::kServing,
                                                     [this](v1::EventBatch request, net::Caller caller) {
                                                       return append(std::move(request), std::move(caller));
                                                     });
  const auto bound = server_->start();
  CHECK(bound.ok(), bound.status().message());
  port_ = *bound;
  url_ = server_->url();
  thread_ = std::thread([this] { io_.run(); });
}

FakeCoordinator::~FakeCoordinator() {
  asio::co_spawn(io_, server_->stop(std::chrono::milliseconds(500)), asio::use_future).wait();
  work_.reset();
  io_.stop();
  thread_.join();
}

void FakeCoordinator::set_plan(const v1::ServingPlan& plan) {
  std::lock_guard lock(mutex_);
  plans_[plan.model()] = plan;
}

void FakeCoordinator::refuse_appends(Status status) {
  std::lock_guard lock(mutex_);
  refusal_ = std::move(status);
}

bool FakeCoordinator::wait(const std::function<bool(FakeCoordinator&)>& until) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return until(*this); });
}

bool FakeCoordinator::wait_in_force(const std::string& model, uint64_t revision) {
  return wait([&](FakeCoordinator& self) { return self.reports[model].revision() == revision; });
}

size_t FakeCoordinator::requests() const {
  size_t n = 0;
  for (const auto& batch : batches) n += static_cast<size_t>(batch.requests_size());
  return n;
}

size_t FakeCoordinator::labels() const {
  size_t n = 0;
  for (const auto& batch : batches) n += static_cast<size_t>(batch.labels_size());
  return n;
}

int64_t FakeCoordinator::counted_rows() const {
  int64_t n = 0;
  for (const auto& batch : batches)
    for (const auto& slot : batch.counts()) n += slot.rows();
  return n;
}

asio::awaitable<Status> FakeCoordinator::watch(v1::WatchPlanRequest request, net::Caller,
                                               net::Writer<v1::PlanUpdate>& out) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  std::map<std::string, std::string> sent;
  while (!out.closed()) {
    std::vector<v1::PlanUpdate> updates;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [model, plan] : plans_) {
        if (!request.model().empty() && request.model() != model) continue;
        if (std::exchange(sent[model], plan.SerializeAsString()) == plan.SerializeAsString()) continue;
        *updates.emplace_back().mutable_plan() = plan;
      }
    }
    for (v1::PlanUpdate& update : updates) {
      const Status written = co_await out.write(std::move(update));
      if (!written.ok()) co_return ok_status();
    }
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return ok_status();
}

asio::awaitable<Result<v1::ReportNodeResponse>> FakeCoordinator::report(v1::NodeReport report, net::Caller) {
  std::lock_guard lock(mutex_);
  reports[report.model()] = report;
  changed_.notify_all();
  co_return v1::ReportNodeResponse();
}

asio::awaitable<Result<v1::AppendResponse>> FakeCoordinator::append(v1::EventBatch batch, net::Caller) {
  std::lock_guard lock(mutex_);
  ++appends;
  changed_.notify_all();
  if (!refusal_.ok()) co_return refusal_;
  v1::AppendResponse response;
  response.set_seq(batch.seq());
  if (seen_.insert({batch.node(), batch.boot(), batch.seq()}).second)
    batches.push_back(std::move(batch));
  else
    ++repeated;
  co_return response;
}

}  // namespace rekindle::serving::testing
