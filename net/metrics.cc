#include "net/metrics.h"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace rekindle::net {
namespace {

boost::asio::awaitable<Response> scrape(const prometheus::Registry* registry, std::function<void()> refresh) {
  if (refresh) refresh();
  Response response;
  response.headers.add("Content-Type", std::string(kMetricsContentType));
  response.body = metrics_text(*registry);
  co_return response;
}

}  // namespace

std::string metrics_text(const prometheus::Registry& registry) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry.Collect());
  return out.str();
}

void add_metrics_route(HttpServer& server, const prometheus::Registry& registry,
                       std::function<void()> refresh) {
  const prometheus::Registry* kept = &registry;
  server.route("GET", "/metrics", Access::kServing,
               [kept, refresh = std::move(refresh)](Request) { return scrape(kept, refresh); });
}

std::function<void()> server_metrics(const HttpServer& server, prometheus::Registry& registry) {
  auto gauge = [&registry](const char* name, const char* help) {
    return &prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  };
  prometheus::Gauge* connections = gauge("rekindle_http_connections", "Open connections");
  prometheus::Gauge* in_flight = gauge("rekindle_http_requests_in_flight", "Requests being answered");
  prometheus::Gauge* requests = gauge("rekindle_http_requests", "Requests since the start");
  prometheus::Gauge* refused =
      gauge("rekindle_http_connections_refused", "Connections over the limit since the start");
  prometheus::Gauge* unknown =
      gauge("rekindle_http_unauthenticated", "Requests without a fitting token since the start");
  const HttpServer* kept = &server;
  return [=] {
    const ServerCounters now = kept->counters();
    connections->Set(static_cast<double>(now.connections));
    in_flight->Set(static_cast<double>(now.requests_in_flight));
    requests->Set(static_cast<double>(now.requests_total));
    refused->Set(static_cast<double>(now.connections_refused));
    unknown->Set(static_cast<double>(now.unauthenticated_total));
  };
}

}  // namespace rekindle::net
