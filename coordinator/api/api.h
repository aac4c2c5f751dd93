// The services of api.proto. Each adds its routes to the server; handlers run on the core's thread, answer
// from the state and hand what blocks to task threads. The context outlives the server.
#pragma once

#include "coordinator/context.h"
#include "net/connect.h"
#include "net/http_server.h"

namespace rekindle::coordinator {

void add_job_service(net::HttpServer& server, Context& context);
void add_run_service(net::HttpServer& server, Context& context);
void add_run_streams(net::HttpServer& server,
                     Context& context);  // WatchRun, ReadLogs, GET /v1/runs/{id}/logs
void add_registry_service(net::HttpServer& server, Context& context);
void add_serving_service(net::HttpServer& server, Context& context);
void add_event_service(net::HttpServer& server, Context& context);
void add_data_service(net::HttpServer& server, Context& context);
void add_replay_service(net::HttpServer& server, Context& context);
void add_pool_service(net::HttpServer& server, Context& context);  // AdminService/ListPools
void add_credential_service(net::HttpServer& server, Context& context);
void add_inventory_service(net::HttpServer& server, Context& context);
void add_backup_service(net::HttpServer& server, Context& context);
void add_admin_service(net::HttpServer& server, Context& context);  // and GET /health, /metrics

// Refusal of a text that is longer than any honest one, or would forge a line where it is shown.
Status check_length(std::string_view what, std::string_view text, size_t bytes_max);

// The pool that a resolved spec names, if its runs may be launched there.
Result<const v1::Pool*> pool_for(const Context& context, const v1::JobSpec& spec);
// What the scheduler would do with a run now, were it the next of the queue, and how it would be launched.
void describe_placement(const Context& context, const v1::JobSpec& spec, v1::PlanRunResponse& out);

// Puts into each run that waits why it does so now: the scheduler's word, or that of the queue outside which
// has it. Never journalled.
void explain_waiting(const Context& context, std::vector<v1::Run*> runs);

template <typename Req, typename Resp>
using Method = boost::asio::awaitable<Result<Resp>> (*)(Context&, Req, net::Caller);

template <typename Req, typename Resp>
boost::asio::awaitable<Result<Resp>> audited_call(Context* context, std::string method,
                                                  Method<Req, Resp> handler, Req request,
                                                  net::Caller caller) {
  const Result<uint64_t> number = context->audit.asked(method, request, caller);
  if (!number.ok()) co_return number.status();
  Result<Resp> result = co_await handler(*context, std::move(request), std::move(caller));
  Status how = result.ok() ? ok_status() : result.status();
  Status kept = co_await context->audit.answered(*number, std::move(how), context->pool);
  if (!kept.ok()) co_return kept;
  co_return result;
}

// Of what only a submitter may call, or somebody with more power.
enum class Audited {
  kYes,
  kNo,  // one of thousands of steps whose beginning and end are audited
};

// Registers a unary method whose handler is a coroutine over (Context&, Req, Caller).
template <typename Req, typename Resp>
void add_method(net::HttpServer& server, Context& context, const std::string& method, net::Access access,
                Method<Req, Resp> handler, Audited wanted = Audited::kYes) {
  Context* kept = &context;
  const bool audited = access >= net::Access::kSubmitter && wanted == Audited::kYes;
  net::add_unary<Req, Resp>(server, "rekindle.v1." + method, access,
                            [kept, handler, audited, method](Req request, net::Caller caller) {
                              if (!audited) return handler(*kept, std::move(request), std::move(caller));
                              return audited_call<Req, Resp>(kept, method, handler, std::move(request),
                                                             std::move(caller));
                            });
}

template <typename Req, typename Resp>
void add_stream(net::HttpServer& server, Context& context, const std::string& method, net::Access access,
                boost::asio::awaitable<Status> (*handler)(Context&, Req, net::Caller, net::Writer<Resp>&)) {
  Context* kept = &context;
  net::add_server_stream<Req, Resp>(
      server, "rekindle.v1." + method, access,
      [kept, handler](Req request, net::Caller caller, net::Writer<Resp>& writer) {
        return handler(*kept, std::move(request), std::move(caller), writer);
      });
}

}  // namespace rekindle::coordinator
