// A coordinator and a serving node in one server, as a replay sees them: it records what was asked in which
// order, and can be told to trigger runs, to be slow to settle, and to break connections.
#pragma once

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "net/connect.h"
#include "rekindle/v1/api.pb.h"
#include "tests/net/server_fixture.h"

namespace rekindle::cli::replay {

class FakeWorld {
 public:
  FakeWorld() : server_([this](net::HttpServer& server) { add_routes(server); }) {}

  std::string url() const { return server_.client_options().url; }
  // Looks at or changes the world on its own thread.
  template <typename F>
  auto with(F f) {
    return server_.on_thread([&] { return f(*this); });
  }

  // Set before the replay.
  int64_t trigger_at_us = 0;  // the advance to this clock starts a run
  int settle_polls = 1;       // so often AwaitSettled says no before it says yes
  int refuse_infers = 0;      // this many recorded requests get 503
  int bad_infers = 0;         // this many get 400
  // What happened.
  std::vector<std::string> log;  // "infer ID", "labels N", "flush", "advance CLOCK", ...
  std::vector<v1::LabelRecord> labels;
  int unrecorded = 0;
  v1::BeginReplayRequest begun;
  int64_t stands_at_us = 0;  // clock of a session that is taken up again
  uint64_t version = 1;

 private:
  using Reply = boost::asio::awaitable<net::Response>;

  v1::ReplayState state() const {
    v1::ReplayState out;
    out.set_clock_us(std::max(stands_at_us, begun.clock_us()));
    out.mutable_plan()->set_revision(version);
    v1::PlannedVersion& planned = *out.mutable_plan()->add_versions();
    planned.set_version(version);
    planned.set_role(v1::LIVE);
    planned.set_share(10'000);
    if (run_active_) out.add_active_runs("m-2");
    out.set_settled(!run_active_);
    out.set_waiting_for(run_active_ ? "run m-2" : "");
    if (version > 1) {
      out.mutable_rollout()->set_version(version);
      out.mutable_rollout()->set_serving_us(9'000'000);
    }
    return out;
  }

  Reply infer(net::Request request) {
    const auto body = boost::json::parse(request.body).as_object();
    const auto rows = body.at("inputs").at(0).at("data").as_array().size();
    const std::string id(body.at("id").as_string().c_str());
    if (body.contains("parameters")) {
      ++unrecorded;
    } else {
      if (refuse_infers > 0 && refuse_infers-- > 0) {
        log.push_back("refused " + id);
        co_return net::Response::error(unavailable("the node starts"));
      }
      if (bad_infers > 0 && bad_infers-- > 0)
        co_return net::Response::error(invalid_argument("no such column"));
      log.push_back("infer " + id);
    }
    boost::json::array values(rows, boost::json::value(0.25));
    const uint64_t by =
        request.param("version").empty() ? version : std::stoull(std::string(request.param("version")));
    boost::json::object answer{{"model_version", std::to_string(by)},
                               {"outputs", boost::json::array{boost::json::object{{"data", values}}}}};
    co_return net::Response::json(boost::json::serialize(answer));
  }

  boost::asio::awaitable<Result<v1::ReplayState>> begin(v1::BeginReplayRequest request, net::Caller) {
    begun = request;
    log.push_back("begin " + std::to_string(request.clock_us()));
    co_return state();
  }
  boost::asio::awaitable<Result<v1::ReplayState>> advance(v1::AdvanceRequest request, net::Caller) {
    log.push_back("advance " + std::to_string(request.clock_us()));
    if (request.clock_us() == trigger_at_us) run_active_ = true;
    co_return state();
  }
  boost::asio::awaitable<Result<v1::ReplayState>> settle(v1::AwaitSettledRequest, net::Caller) {
    log.push_back("await");
    // As the real one, it answers late; here once a client was answered meanwhile: it asks again only then.
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    for (int i = 0; i < 400 && run_active_ && unrecorded < 2; ++i) {
      timer.expires_after(std::chrono::milliseconds(5));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    if (run_active_ && settle_polls-- <= 0) {
      run_active_ = false;
      version = 2;
    }
    co_return state();
  }
  boost::asio::awaitable<Result<v1::ReplayState>> end(v1::EndReplayRequest, net::Caller) {
    log.push_back("end");
    co_return state();
  }
  boost::asio::awaitable<Result<v1::FeedbackResponse>> feedback(v1::FeedbackRequest request, net::Caller) {
    for (const v1::LabelRecord& label : request.labels()) {
      labels.push_back(label);
      log.push_back("label " + label.request_id());
    }
    v1::FeedbackResponse out;
    out.set_accepted(static_cast<uint32_t>(request.labels_size()));
    co_return out;
  }
  boost::asio::awaitable<Result<v1::FlushResponse>> flush(v1::FlushRequest, net::Caller) {
    log.push_back("flush");
    co_return v1::FlushResponse();
  }
  boost::asio::awaitable<Result<v1::Run>> get_run(v1::GetRunRequest request, net::Caller) {
    v1::Run run;
    run.set_id(request.id());
    run.set_cause(v1::CAUSE_DRIFT);
    run.set_cause_detail("psi of temp");
    run.set_queued_us(4'000'000);
    run.set_state(run_active_ ? v1::RUNNING : v1::PUBLISHED);
    if (!run_active_) run.set_version(2);
    co_return run;
  }

  void add_routes(net::HttpServer& server) {
    using net::Access;
    for (const char* path : {"/v2/models/m/infer", "/v2/models/m/versions/{version}/infer"})
      server.route("POST", path, Access::kServing,
                   [this](net::Request request) { return infer(std::move(request)); });
    const std::string replay = "rekindle.v1.ReplayService/", node = "rekindle.v1.NodeService/";
    net::add_unary<v1::BeginReplayRequest, v1::ReplayState>(
        server, replay + "BeginReplay", Access::kOperator,
        [this](auto r, auto c) { return begin(std::move(r), std::move(c)); });
    net::add_unary<v1::AdvanceRequest, v1::ReplayState>(
        server, replay + "Advance", Access::kOperator,
        [this](auto r, auto c) { return advance(std::move(r), std::move(c)); });
    net::add_unary<v1::AwaitSettledRequest, v1::ReplayState>(
        server, replay + "AwaitSettled", Access::kOperator,
        [this](auto r, auto c) { return settle(std::move(r), std::move(c)); });
    net::add_unary<v1::EndReplayRequest, v1::ReplayState>(
        server, replay + "EndReplay", Access::kOperator,
        [this](auto r, auto c) { return end(std::move(r), std::move(c)); });
    net::add_unary<v1::FeedbackRequest, v1::FeedbackResponse>(
        server, node + "Feedback", Access::kServing,
        [this](auto r, auto c) { return feedback(std::move(r), std::move(c)); });
    net::add_unary<v1::FlushRequest, v1::FlushResponse>(
        server, node + "Flush", Access::kOperator,
        [this](auto r, auto c) { return flush(std::move(r), std::move(c)); });
    net::add_unary<v1::GetRunRequest, v1::Run>(
        server, "rekindle.v1.RunService/GetRun", Access::kOperator,
        [this](auto r, auto c) { return get_run(std::move(r), std::move(c)); });
  }

  bool run_active_ = false;
  net::TestServer server_;
};

}  // namespace rekindle::cli::replay
