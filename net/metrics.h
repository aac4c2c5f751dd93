// Prometheus metrics of a daemon: a registry of prometheus-cpp (whose counters, gauges and histograms are
// safe from any thread) and its text form on GET /metrics, for serving and operator tokens.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>

#include "net/http_server.h"

namespace rekindle::net {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

std::string metrics_text(const prometheus::Registry& registry);

// `refresh` runs before each scrape, on the server's thread: for gauges that are read rather than kept.
// The registry must outlive the server.
void add_metrics_route(HttpServer& server, const prometheus::Registry& registry,
                       std::function<void()> refresh = {});

// Connections and requests of the server itself as gauges of `registry`; returns the refresh for them.
std::function<void()> server_metrics(const HttpServer& server, prometheus::Registry& registry);

}  // namespace rekindle::net
