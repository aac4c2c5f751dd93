// A client of one serving node: a few kept connections, each on a thread of its own, that answer the
// requests of a slot side by side. What breaks is tried again with the same request id for a bounded time;
// what still fails is counted.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/rows/replay/infer.h"
#include "net/client.h"

namespace rekindle::cli::replay {

struct NodeOptions {
  std::string url;
  std::string token;
  std::string model;
  dataio::LabelRule rule = dataio::LabelRule();  // what its answers are
  size_t connections = 2;
  std::chrono::milliseconds patience{90'000};  // of one request, retries included: a node may be restarted
  const std::atomic<bool>* interrupted = nullptr;  // everything that waits is given up when it turns true
};

struct InferJob {
  std::string body;
  size_t rows = 0;
  uint64_t version = 0;  // 0: whichever the plan gives
};

class NodeClient {
 public:
  explicit NodeClient(NodeOptions options);
  ~NodeClient();
  NodeClient(const NodeClient&) = delete;

  // Answers in the order of the jobs; waits for all.
  std::vector<Result<Answer>> infer(const std::vector<InferJob>& jobs);

  double retry_seconds() const { return static_cast<double>(retry_micros_.load()) / 1e6; }
  const NodeOptions& options() const { return options_; }

 private:
  struct Task {
    const InferJob* job;
    Result<Answer>* result;
  };
  void serve_lane();

  NodeOptions options_;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> retry_micros_{0};
  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::deque<Task> tasks_;
  size_t unfinished_ = 0;
  std::vector<std::thread> lanes_;
};

// One request, with retries. `waited` is told how long was spent on tries that failed.
Result<Answer> infer_once(net::HttpClient& http, const NodeOptions& options, const InferJob& job,
                          const std::atomic<bool>& stopped, std::atomic<int64_t>* waited);

// Requests that are not recorded, one after the other, for as long as it lives: traffic while runs are
// waited for. Each failure is a request that a client would have seen fail.
class Probe {
 public:
  Probe(const NodeOptions& options, std::vector<InferJob> jobs);
  ~Probe();
  Probe(const Probe&) = delete;

  uint64_t answered() const { return answered_.load(); }
  uint64_t failed() const { return failed_.load(); }

 private:
  void run(NodeOptions options, std::vector<InferJob> jobs);

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> answered_{0}, failed_{0};
  std::thread thread_;
};

}  // namespace rekindle::cli::replay
