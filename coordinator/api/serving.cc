// ServingService: the plan that nodes watch, and what they report.
#include <fmt/format.h>

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "coordinator/api/api.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr int kReportVersionsMax = 1'000;

awaitable<Status> watch_plan(Context& c, v1::WatchPlanRequest request, Caller caller,
                             net::Writer<v1::PlanUpdate>& writer) {
  Changes* changes = &c.core.changes();
  writer.on_close([changes] { changes->notify(); });
  log_info("node watches the serving plan",
           {{"node", request.node()}, {"model", request.model()}, {"peer", caller.peer}});
  std::map<std::string, uint64_t> said;  // revision by model
  // The first beat at once: a client learns that the stream stands even when there is no plan yet.
  auto due = std::chrono::steady_clock::now();
  while (!writer.closed()) {
    std::vector<v1::ServingPlan> news;
    for (const auto& [name, model] : c.core.state().models) {
      if (!request.model().empty() && name.value != request.model()) continue;
      if (model.plan().revision() > said[name.value]) news.push_back(model.plan());
    }
    if (!news.empty()) co_await c.core.durable();
    for (v1::ServingPlan& plan : news) {
      said[plan.model()] = plan.revision();
      v1::PlanUpdate update;
      *update.mutable_plan() = std::move(plan);
      Status sent = co_await writer.write(std::move(update));
      if (!sent.ok()) co_return sent;
      due = std::chrono::steady_clock::now() + c.options.heartbeat;
    }
    if (!news.empty()) continue;  // the state may have moved on while we wrote
    if (std::chrono::steady_clock::now() >= due) {
      v1::PlanUpdate beat;
      beat.set_heartbeat(true);
      Status sent = co_await writer.write(std::move(beat));
      if (!sent.ok()) co_return sent;
      due = std::chrono::steady_clock::now() + c.options.heartbeat;
      continue;
    }
    co_await c.core.changes().wait_until(due);
  }
  co_return ok_status();
}

awaitable<Result<v1::ReportNodeResponse>> report_node(Context& c, v1::NodeReport request, Caller) {
  Status named = check_name("node", request.node());
  if (!named.ok()) co_return named;
  if (request.versions_size() > kReportVersionsMax)
    co_return invalid_argument(fmt::format("a node reports at most {} versions", kReportVersionsMax));
  const std::string model = request.model();
  c.nodes.report(std::move(request));
  auto told = c.core.submit(core::Tick());
  if (!told.ok()) co_return told.status();
  co_await c.core.durable(told->seq);
  crash_point("node-reported");
  c.core.changes().notify();
  v1::ReportNodeResponse out;
  if (const v1::ModelState* state = core::find_model(c.core.state(), model))
    out.set_revision(state->plan().revision());
  co_return out;
}

awaitable<Result<v1::ServingStatusResponse>> serving_status(Context& c, v1::ServingStatusRequest request,
                                                            Caller) {
  co_await c.core.durable();
  v1::ServingStatusResponse out;
  for (const auto& [name, model] : c.core.state().models) {
    if (!request.model().empty() && name.value != request.model()) continue;
    if (model.plan().revision() > 0) *out.add_plans() = model.plan();
    if (model.has_rollout()) *out.add_rollouts() = model.rollout();
  }
  for (v1::NodeReport& node : c.nodes.live(request.model())) *out.add_nodes() = std::move(node);
  co_return out;
}

}  // namespace

void add_serving_service(net::HttpServer& server, Context& context) {
  add_stream(server, context, "ServingService/WatchPlan", Access::kServing, &watch_plan);
  add_method(server, context, "ServingService/ReportNode", Access::kServing, &report_node);
  add_method(server, context, "ServingService/ServingStatus", Access::kViewer, &serving_status);
}

}  // namespace rekindle::coordinator
