#include "cli/rows/replay/node_client.h"

#include <fmt/format.h>

#include "cli/output.h"

namespace rekindle::cli::replay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr net::Deadline kOneTry{10'000};
constexpr std::chrono::milliseconds kFirstPause{20}, kLongestPause{500};
// Between probes: enough traffic to notice a dropped request, little enough to leave the cores to training.
constexpr std::chrono::milliseconds kProbePause{10};

bool worth_another_try(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Result<Answer> infer_once(net::HttpClient& http, const NodeOptions& options, const InferJob& job,
                          const std::atomic<bool>& stopped, std::atomic<int64_t>* waited) {
  const std::string path = job.version == 0
                               ? fmt::format("/v2/models/{}/infer", options.model)
                               : fmt::format("/v2/models/{}/versions/{}/infer", options.model, job.version);
  net::Headers headers;
  headers.set("Content-Type", "application/json");
  const Clock::time_point start = Clock::now();
  auto pause = kFirstPause;
  Status last;
  while (!stopped && !(options.interrupted && *options.interrupted)) {
    const Clock::time_point began = Clock::now();
    const Result<net::Reply> reply = http.request("POST", path, job.body, headers, kOneTry);
    if (reply.ok() && reply->status == 200) return read_answer(reply->body, job.rows, options.rule);
    last = reply.ok() ? unavailable(fmt::format("{} answered {}: {}", options.url, reply->status,
                                                error_words(reply->body)))
                      : reply.status();
    if (reply.ok() && !worth_another_try(reply->status)) return failed_precondition(last.message());
    if (Clock::now() - start > options.patience) return last;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
    if (waited)
      *waited += std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count();
  }
  return Status(Code::kCanceled, "interrupted");
}

NodeClient::NodeClient(NodeOptions options) : options_(std::move(options)) {
  for (size_t i = 0; i < options_.connections; ++i) lanes_.emplace_back(&NodeClient::serve_lane, this);
}

NodeClient::~NodeClient() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_all();
  for (std::thread& lane : lanes_) lane.join();
}

std::vector<Result<Answer>> NodeClient::infer(const std::vector<InferJob>& jobs) {
  std::vector<Result<Answer>> results(jobs.size(), Result<Answer>(Status(Code::kCanceled, "interrupted")));
  std::unique_lock lock(mutex_);
  for (size_t i = 0; i < jobs.size(); ++i) tasks_.push_back({&jobs[i], &results[i]});
  unfinished_ = jobs.size();
  work_.notify_all();
  done_.wait(lock, [this] { return unfinished_ == 0; });
  return results;
}

void NodeClient::serve_lane() {
  net::HttpClient http({.url = options_.url, .token = options_.token});
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return stopped_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const Task task = tasks_.front();
    tasks_.pop_front();
    if (!stopped_) {
      lock.unlock();
      Result<Answer> answer = infer_once(http, options_, *task.job, stopped_, &retry_micros_);
      lock.lock();
      *task.result = std::move(answer);
    }
    if (--unfinished_ == 0) done_.notify_all();
  }
}

Probe::Probe(const NodeOptions& options, std::vector<InferJob> jobs) {
  if (!jobs.empty()) thread_ = std::thread(&Probe::run, this, options, std::move(jobs));
}

Probe::~Probe() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Probe::run(NodeOptions options, std::vector<InferJob> jobs) {
  net::HttpClient http({.url = options.url, .token = options.token});
  for (size_t i = 0; !stop_; ++i) {
    const Result<Answer> answer = infer_once(http, options, jobs[i % jobs.size()], stop_, nullptr);
    if (answer.ok()) {
      ++answered_;
    } else if (answer.status().code() != Code::kCanceled) {
      if (failed_++ == 0)
        print_error(fmt::format("an unrecorded request failed: {}", answer.status().message()));
    }
    std::this_thread::sleep_for(kProbePause);
  }
}

}  // namespace rekindle::cli::replay
