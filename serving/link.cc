#include "serving/link.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::serving {
namespace {
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{2'000};
constexpr std::chrono::milliseconds kReportDeadline{5'000};
}  // namespace

Link::Link(LinkOptions options, Follower& follower, const Spool& spool)
    : options_(std::move(options)),
      follower_(follower),
      spool_(spool),
      recovered_(options_.recovered_frames),
      plans_(options_.coordinator, options_.token, options_.authority),
      reports_(options_.coordinator, options_.token, options_.authority) {}

void Link::start() {
  watcher_ = std::thread([this] { watch(); });
  reporter_ = std::thread([this] { report(); });
}

Link::~Link() {
  stop();
}

void Link::report_now() {
  std::lock_guard lock(mutex_);
  news_ = true;
  changed_.notify_all();
}

void Link::report_then(std::function<void(Status)> done) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return done(unavailable("the node is stopping"));
  }
  waiting_.push_back(std::move(done));
  changed_.notify_all();
}

void Link::stop() {
  if (!watcher_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  plans_.cancel();
  reports_.cancel();
  watcher_.join();
  reporter_.join();
}

// Until the time is over or the node stops.
void Link::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping_; });
}

void Link::watch() {
  v1::WatchPlanRequest request;
  request.set_node(options_.node);
  if (options_.models.size() == 1) request.set_model(options_.models.front());
  auto wait = kFirstPause;
  for (;;) {
    const auto on_update = [&](const v1::PlanUpdate& update) {
      wait = kFirstPause;
      if (update.has_plan() && !update.plan().model().empty()) follower_.follow(update.plan());
      std::lock_guard lock(mutex_);
      return !stopping_;
    };
    const Status ended = plans_.stream<v1::WatchPlanRequest, v1::PlanUpdate>(
        "rekindle.v1.ServingService/WatchPlan", request, on_update, options_.silence);
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    if (wait == kFirstPause)
      log_warning("serving plans are not heard: the last good ones go on",
                  {{"coordinator", options_.coordinator},
                   {"why", ended.ok() ? "the stream ended" : ended.message()}});
    pause(wait);
    wait = std::min(wait * 2, kLongestPause);
  }
}

void Link::report() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    news_ = false;
    const auto waiting = std::exchange(waiting_, {});
    lock.unlock();
    const bool taken = report_all();
    for (const auto& done : waiting)
      done(taken ? ok_status() : unavailable("the coordinator did not take the node's report"));
    lock.lock();
    if (taken)
      changed_.wait_for(lock, options_.report_every,
                        [this] { return news_ || !waiting_.empty() || stopping_; });
    else
      changed_.wait_for(lock, options_.report_every, [this] { return !waiting_.empty() || stopping_; });
  }
  const auto waiting = std::exchange(waiting_, {});
  lock.unlock();
  for (const auto& done : waiting) done(unavailable("the node is stopping"));
}

bool Link::report_all() {
  const uint64_t spooled = spool_.totals().records;
  Status status = ok_status();
  bool told_any = false;
  for (v1::NodeReport& report : follower_.reports()) {
    told_any = true;
    report.set_node(options_.node);
    report.set_boot(options_.boot);
    report.set_url(options_.url);
    report.set_spooled(spooled);
    // Records of before the start may be older than the watermark: it must wait for them.
    if (spool_.oldest_id() <= recovered_) report.set_idle(false);
    const Status told = reports_
                            .call<v1::NodeReport, v1::ReportNodeResponse>(
                                "rekindle.v1.ServingService/ReportNode", report, kReportDeadline)
                            .status();
    if (!told.ok()) status = told;
    if (told.code() == Code::kUnavailable || told.code() == Code::kDeadlineExceeded) break;
  }
  if (!told_any) return true;  // of no model yet: nothing was asked
  if (reported_.exchange(status.ok()) != status.ok())
    status.ok() ? log_info("coordinator takes this node's reports")
                : log_warning("coordinator does not take this node's reports", {{"why", status.message()}});
  return status.ok();
}

}  // namespace rekindle::serving
