#include "cli/rows/replay/session.h"

#include <fmt/format.h>

#include <thread>

#include "cli/exit_codes.h"
#include "cli/output.h"
#include "proto/time.h"

namespace rekindle::cli::replay {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough for the judgement of a slot on a busy machine, short enough to notice a dead peer.
constexpr net::Deadline kCall{60'000};
constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::milliseconds kNodesPause{10};
constexpr std::chrono::seconds kAwaitOnce{5};
constexpr uint32_t kRunsMost = 1000;

bool away(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded;
}

}  // namespace

Session::Session(net::ConnectClient coordinator, net::ConnectClient node, std::string model,
                 std::string session, std::chrono::seconds patience)
    : coordinator_(std::move(coordinator)),
      node_(std::move(node)),
      model_(std::move(model)),
      session_(std::move(session)),
      patience_(patience) {}

template <typename Response, typename Request>
Result<Response> Session::repeat(net::ConnectClient& client, std::string_view method, const Request& request,
                                 net::Deadline deadline) {
  const Clock::time_point start = Clock::now();
  while (true) {
    Result<Response> response = client.call<Request, Response>(method, request, deadline);
    if (interrupted_) return Status(Code::kCanceled, "interrupted");
    if (response.ok() || !away(response.status()) || Clock::now() - start > patience_) return response;
    std::this_thread::sleep_for(kPause);
  }
}

Result<v1::ReplayState> Session::begin(int64_t clock_us, const std::vector<uint64_t>& pins,
                                       Micros run_takes) {
  v1::BeginReplayRequest request;
  request.set_model(model_);
  request.set_session(session_);
  request.set_clock_us(clock_us);
  *request.mutable_run_takes() = to_proto(run_takes);
  for (const uint64_t version : pins) request.add_pin(version);
  return repeat<v1::ReplayState>(coordinator_, "rekindle.v1.ReplayService/BeginReplay", request, kCall);
}

Result<v1::ReplayState> Session::advance(int64_t clock_us) {
  v1::AdvanceRequest request;
  request.set_model(model_);
  request.set_session(session_);
  request.set_clock_us(clock_us);
  return repeat<v1::ReplayState>(coordinator_, "rekindle.v1.ReplayService/Advance", request, kCall);
}

Result<v1::ReplayState> Session::await_settled(std::chrono::seconds most) {
  v1::AwaitSettledRequest request;
  request.set_model(model_);
  request.set_session(session_);
  request.mutable_max_wait()->set_seconds(kAwaitOnce.count());
  const Clock::time_point start = Clock::now();
  while (true) {
    auto state = TRY(
        (repeat<v1::ReplayState>(coordinator_, "rekindle.v1.ReplayService/AwaitSettled", request, kCall)));
    if (state.settled()) return state;
    if (Clock::now() - start > most)
      return deadline_exceeded(
          fmt::format("the model did not settle within {} s: {}", most.count(), state.waiting_for()));
  }
}

Result<v1::ReplayState> Session::end() {
  v1::EndReplayRequest request;
  request.set_model(model_);
  request.set_session(session_);
  return repeat<v1::ReplayState>(coordinator_, "rekindle.v1.ReplayService/EndReplay", request, kCall);
}

Status Session::send_labels(const std::vector<v1::LabelRecord>& labels) {
  if (labels.empty()) return ok_status();
  v1::FeedbackRequest request;
  request.set_model(model_);
  for (const v1::LabelRecord& label : labels) *request.add_labels() = label;
  const auto response =
      TRY((repeat<v1::FeedbackResponse>(node_, "rekindle.v1.NodeService/Feedback", request, kCall)));
  if (response.accepted() != labels.size())
    return data_loss(
        fmt::format("the node accepted {} of {} label records", response.accepted(), labels.size()));
  return ok_status();
}

Status Session::flush() {
  v1::FlushRequest request;
  request.set_model(model_);
  return repeat<v1::FlushResponse>(node_, "rekindle.v1.NodeService/Flush", request, kCall).status();
}

Status Session::await_nodes(uint64_t revision, std::chrono::seconds most) {
  v1::ServingStatusRequest request;
  request.set_model(model_);
  const Clock::time_point start = Clock::now();
  while (true) {
    const auto status = TRY((repeat<v1::ServingStatusResponse>(
        coordinator_, "rekindle.v1.ServingService/ServingStatus", request, kCall)));
    bool all = status.nodes_size() > 0;
    for (const v1::NodeReport& node : status.nodes())
      all &= node.model() != model_ || node.revision() >= revision;
    if (all) return ok_status();
    if (Clock::now() - start > most)
      return deadline_exceeded(fmt::format("not every serving node took revision {} of the plan within {} s",
                                           revision, most.count()));
    std::this_thread::sleep_for(kNodesPause);
  }
}

Result<v1::Run> Session::get_run(const std::string& id) {
  v1::GetRunRequest request;
  request.set_id(id);
  return repeat<v1::Run>(coordinator_, "rekindle.v1.RunService/GetRun", request, kCall);
}

Result<std::vector<v1::Run>> Session::runs() {
  v1::ListRunsRequest request;
  request.set_job(model_);
  request.set_limit(kRunsMost);
  const auto list =
      TRY((repeat<v1::ListRunsResponse>(coordinator_, "rekindle.v1.RunService/ListRuns", request, kCall)));
  return std::vector<v1::Run>(list.runs().begin(), list.runs().end());
}

Result<v1::Run> Session::start(v1::StartRunRequest request) {
  request.set_job(model_);
  return repeat<v1::Run>(coordinator_, "rekindle.v1.RunService/StartRun", request, kCall);
}

Result<v1::Run> Session::await_run(const std::string& id) {
  v1::WatchRunRequest request;
  request.set_id(id);
  while (!interrupted_) {
    v1::Run last;
    const Status status = coordinator_.stream<v1::WatchRunRequest, v1::RunUpdate>(
        "rekindle.v1.RunService/WatchRun", request, [&last](const v1::RunUpdate& update) {
          if (update.has_run()) last = update.run();
          return !is_terminal(last.state()) && last.state() != v1::HELD;
        });
    if (is_terminal(last.state()) || last.state() == v1::HELD) return last;
    if (!status.ok() && !away(status)) return status;
    const v1::Run run = TRY(get_run(id));  // gives up after the patience
    if (is_terminal(run.state()) || run.state() == v1::HELD) return run;
    std::this_thread::sleep_for(kPause);
  }
  return Status(Code::kCanceled, "interrupted");
}

Result<v1::Job> Session::job() {
  v1::GetJobRequest request;
  request.set_name(model_);
  return repeat<v1::Job>(coordinator_, "rekindle.v1.JobService/GetJob", request, kCall);
}

Result<v1::StatusResponse> Session::status() {
  return repeat<v1::StatusResponse>(coordinator_, "rekindle.v1.AdminService/Status", v1::StatusRequest(),
                                    kCall);
}

Result<std::vector<v1::DatasetSnapshot>> Session::snapshots(const std::string& dataset) {
  v1::ListDatasetsRequest request;
  request.set_dataset(dataset);
  const auto list = TRY((repeat<v1::ListDatasetsResponse>(
      coordinator_, "rekindle.v1.DataService/ListDatasets", request, kCall)));
  return std::vector<v1::DatasetSnapshot>(list.snapshots().begin(), list.snapshots().end());
}

void Session::interrupt() {
  interrupted_ = true;
  coordinator_.cancel();
  node_.cancel();
}

}  // namespace rekindle::cli::replay
