#include "serving/spool/sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/events.pb.h"
#include "serving/spool/priority.h"

namespace rekindle::serving {
namespace {

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::string_view kStops = "the node stops; what it holds is sent after its next start";

// What is wrong with the batch itself stays wrong; anything else may pass.
bool refused_for_good(const Status& status) {
  return status.code() == Code::kInvalidArgument;
}

net::ClientOptions client_options(const SenderOptions& options) {
  return {.url = options.coordinator, .token = options.token, .authority = options.authority};
}

}  // namespace

Sender::Sender(Spool& spool, SenderOptions options)
    : spool_(spool), options_(std::move(options)), client_(client_options(options_)) {
  thread_ = std::thread([this] { run(); });
}

Sender::~Sender() {
  stop(std::chrono::milliseconds(0));
}

void Sender::wake() {
  std::lock_guard lock(mutex_);
  news_ = true;
  changed_.notify_all();
}

void Sender::await(uint64_t id, Done done) {
  Status status;
  {
    std::lock_guard lock(mutex_);
    if (!left_ && gone_id_ < id) {
      waiters_.emplace(id, std::move(done));
      news_ = true;
      changed_.notify_all();
      return;
    }
    status = gone_id_ < id ? unavailable(std::string(kStops)) : take_refusal();
  }
  done(std::move(status));
}

// What one waiter must hear of refused batches; the lock is held.
Status Sender::take_refusal() {
  if (untold_refusal_.empty()) return ok_status();
  return failed_precondition("the coordinator refused a batch of events: " +
                             std::exchange(untold_refusal_, std::string()));
}

void Sender::stop(std::chrono::milliseconds bound) {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    news_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, bound, [this] { return left_; });
  }
  client_.cancel();
  thread_.join();
}

void Sender::run() {
  give_way();  // to those who answer requests
  auto pause = kFirstPause;
  for (;;) {
    const Step step = send_one();
    answer_waiters();
    std::unique_lock lock(mutex_);
    if (step != Step::kSent && stopping_) {
      left_ = true;
      changed_.notify_all();
      break;
    }
    if (step == Step::kSent) {
      pause = kFirstPause;
    } else if (step == Step::kNothing) {
      changed_.wait(lock, [this] { return news_; });
      news_ = false;
    } else {
      // News do not cut the pause short: under load they would turn it into a storm of calls.
      changed_.wait_for(lock, pause, [this] { return stopping_; });
      pause = std::min(pause * 2, options_.pause_max);
    }
  }
  std::multimap<uint64_t, Done> left;
  {
    std::lock_guard lock(mutex_);
    left.swap(waiters_);
  }
  for (auto& [id, waiter] : left) waiter(unavailable(std::string(kStops)));
}

Sender::Step Sender::send_one() {
  auto frame = spool_.front();
  if (!frame.ok()) {
    log_error("spool cannot be read", {{"why", frame.status().message()}});
    std::lock_guard lock(mutex_);
    last_error_ = frame.status().message();
    return Step::kFailed;
  }
  {
    // Frames that a full spool dropped are out of it too.
    std::lock_guard lock(mutex_);
    gone_id_ = std::max(gone_id_, spool_.oldest_id() - 1);
  }
  if (!*frame) return Step::kNothing;
  v1::EventBatch batch;
  Status status = ok_status();
  if (!batch.ParseFromString((*frame)->payload))
    status = invalid_argument("the spooled batch cannot be read");
  if (status.ok())
    status = client_
                 .call<v1::EventBatch, v1::AppendResponse>("rekindle.v1.EventService/Append", batch,
                                                           options_.deadline)
                 .status();
  const bool refused = refused_for_good(status);
  if (refused) {
    log_error(
        "coordinator refused a batch of events, which is put aside",
        {{"model", batch.model()}, {"boot", batch.boot()}, {"seq", batch.seq()}, {"why", status.message()}});
    const Status aside = spool_.set_aside(**frame);
    if (!aside.ok()) log_error("refused batch could not be put aside", {{"why", aside.message()}});
    if (!aside.ok()) return Step::kFailed;
  } else if (status.ok()) {
    crash_point("batch-sent");
    spool_.acknowledge((*frame)->id);
    ++sent_;
  }
  std::lock_guard lock(mutex_);
  if (refused) ++refused_;
  if (refused) untold_refusal_ = status.message();
  if (status.ok() || refused) gone_id_ = std::max(gone_id_, (*frame)->id);
  if (!status.ok() && last_error_ != status.message())
    log_warning("events wait in the spool", {{"why", status.message()}});
  last_error_ = status.ok() ? "" : status.message();
  return status.ok() || refused ? Step::kSent : Step::kFailed;
}

void Sender::answer_waiters() {
  std::vector<Done> done;
  Status status;
  {
    std::lock_guard lock(mutex_);
    const auto end = waiters_.upper_bound(gone_id_);
    for (auto it = waiters_.begin(); it != end; ++it) done.push_back(std::move(it->second));
    waiters_.erase(waiters_.begin(), end);
    if (!done.empty()) status = take_refusal();
  }
  for (Done& call : done) call(status);
}

std::string Sender::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

}  // namespace rekindle::serving
