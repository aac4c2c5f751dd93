// AdminService, and what every daemon has: health and metrics.
#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "coordinator/api/api.h"
#include "coordinator/doctor.h"
#include "core/schedule.h"
#include "net/metrics.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

awaitable<Result<v1::StatusResponse>> status(Context& c, v1::StatusRequest, Caller) {
  co_await c.core.durable();
  const core::State& state = c.core.state();
  v1::StatusResponse out;
  out.set_version(std::string(kVersion));
  out.set_started_us(to_micros(c.started));
  out.set_state_folder(c.folder.path().string());
  out.set_artifacts(c.options.artifacts.string());
  out.set_journal_seq(c.core.durable_seq());
  const core::Capacity used = core::used_now(state);
  const core::Capacity all = core::capacity_of(c.core.cluster());
  out.set_slots(all.slots);
  out.set_slots_used(used.slots);
  out.set_gpus(all.gpus);
  out.set_gpus_used(used.gpus);
  out.set_runs_queued(static_cast<uint32_t>(core::queued_count(state)));
  out.set_runs_active(static_cast<uint32_t>(state.working.size() + state.held.size()));
  out.set_nodes(static_cast<uint32_t>(c.nodes.live_count()));
  for (const auto& [name, model] : state.models) *out.add_models() = model;
  co_return out;
}

awaitable<Result<v1::DoctorResponse>> doctor(Context& c, v1::DoctorRequest, Caller) {
  Context* context = &c;
  const size_t nodes = c.nodes.live_count();
  const v1::PoolsFile pools = c.pools.now();
  std::function<v1::DoctorResponse()> work = [context, nodes, pools] {
    return examine(context->folder, context->store, context->options, nodes, pools);
  };
  co_return co_await done_on(c.pool, std::move(work));
}

awaitable<Result<v1::ShutdownResponse>> shutdown(Context& c, v1::ShutdownRequest, Caller caller) {
  log_info("shutdown asked", {{"by", caller.who.name}, {"peer", caller.peer}});
  // After the answer is on its way: stopping lets requests in flight finish.
  boost::asio::post(c.io, c.shut_down);
  co_return v1::ShutdownResponse();
}

awaitable<net::Response> health(Context& c, net::Request) {
  co_return net::Response::json(
      fmt::format(R"({{"status":"ok","version":"{}","journal_seq":{}}})", kVersion, c.core.durable_seq()) +
      "\n");
}

}  // namespace

void add_admin_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "AdminService/Status", Access::kViewer, &status);
  add_method(server, context, "AdminService/Doctor", Access::kViewer, &doctor);
  add_method(server, context, "AdminService/Shutdown", Access::kAdmin, &shutdown);
  Context* c = &context;
  server.route("GET", "/health", Access::kOpen,
               [c](net::Request request) { return health(*c, std::move(request)); });
  std::function<void()> of_server = net::server_metrics(server, context.metrics.registry());
  net::add_metrics_route(server, context.metrics.registry(), [c, of_server] {
    Metrics::Now now;
    now.state = &c->core.state();
    now.capacity = core::capacity_of(c->core.cluster());
    now.durable_seq = c->core.durable_seq();
    now.nodes = c->nodes.live_count();
    now.windows_judged = c->judging.windows_judged();
    now.days_settled = c->judging.days_settled();
    now.events_waiting = c->events_worker.waiting();
    c->metrics.refresh(now);
    of_server();
  });
}

}  // namespace rekindle::coordinator
