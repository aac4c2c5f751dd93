// One sample of a serving node under load: `serving_bench URL MODEL TOKEN_FILE BODY_FILE REQUESTS
// CONNECTIONS` asks the same question again and again over kept connections. Prints one JSON line: answers a
// second, latencies, and whether the client went first.
//
// In service a client has a host of its own. Here it shares cores with the node and the coordinator, and what
// it waits for a core would be told as the node's latency: so it takes one whenever an answer has come.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "net/client.h"
#include "net/tokens.h"

namespace {

using namespace rekindle;
using Clock = std::chrono::steady_clock;

struct Load {
  std::string url, path, token, body;
  size_t requests = 0;  // of each connection
};

std::vector<double> ask(const Load& load) {
  net::HttpClient http(net::ClientOptions{.url = load.url, .token = load.token});
  net::Headers json;
  json.add("content-type", "application/json");
  std::vector<double> ms;
  for (size_t i = 0; i < load.requests; ++i) {
    const auto began = Clock::now();
    const auto reply = http.request("POST", load.path, load.body, json);
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    CHECK(reply.ok() && reply->status == 200, reply.ok() ? reply->body : reply.status().message());
  }
  return ms;
}

// Of this thread and those that it starts. Not everybody may.
bool go_first() {
  const sched_param least{.sched_priority = 1};
  return ::sched_setscheduler(0, SCHED_FIFO, &least) == 0;
}

std::string run(const Load& load, size_t connections) {
  const bool first = go_first();
  std::vector<std::vector<double>> parts(connections);
  const auto began = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (auto& part : parts) threads.emplace_back([&load, &part] { part = ask(load); });
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::vector<double> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  return fmt::format(R"({{"rate":{},"p50_ms":{},"p99_ms":{},"first":{}}})",
                     static_cast<double>(all.size()) / seconds, all[all.size() / 2],
                     all[all.size() * 99 / 100], first);
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 7, "serving_bench URL MODEL TOKEN_FILE BODY_FILE REQUESTS CONNECTIONS");
  const Result<std::string> token = net::load_token(argv[3]);
  CHECK(token.ok(), token.status().message());
  const Result<std::string> body = read_file(argv[4]);
  CHECK(body.ok(), body.status().message());
  const size_t connections = std::stoul(argv[6]);
  const Load load{argv[1], fmt::format("/v2/models/{}/infer", argv[2]), *token, *body,
                  std::stoul(argv[5]) / connections};
  std::puts(run(load, connections).c_str());
  return 0;
}
