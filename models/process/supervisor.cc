#include "models/process/supervisor.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "net/client.h"

namespace rekindle::models {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int kLookEveryMs = 50;  // at the process's memory: it grows by some 100 MB in that time at most
constexpr milliseconds kLookAtAllEvery{500};
constexpr milliseconds kProbe{1'000};
constexpr milliseconds kGlance{5};
constexpr int kFirstProbeEveryMs = 10;
constexpr int kProbeEveryMsMax = 200;

std::string megabytes(uint64_t bytes) {
  return fmt::format("{} MB", bytes >> 20);
}

}  // namespace

Supervisor::Supervisor(SupervisorOptions options)
    : options_(std::move(options)),
      socket_(options_.scratch / "s"),
      url_("unix:" + socket_.string()),
      log_(options_.scratch / "log"),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(wake_.valid(), "no descriptor for an eventfd");
}

Supervisor::~Supervisor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = canceled_ = true;
    changed_.notify_all();
  }
  ::eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

Status Supervisor::start() {
  thread_ = std::thread([this] { run(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return canceled_ || figures_.state == State::kReady || figures_.state == State::kFailed;
  });
  if (canceled_) return {Code::kCanceled, "the predictor is being stopped"};
  if (figures_.state == State::kReady) return ok_status();
  return failed_precondition(figures_.trouble);
}

void Supervisor::set(State state, pid_t pid) {
  std::lock_guard lock(mutex_);
  figures_.state = state;
  figures_.pid = pid;
  if (state == State::kStarting) next_start_ = steady_clock::now();
  if (state == State::kReady) {
    restarts_.ready();
    start_took_ = steady_clock::now() - next_start_;
  }
  changed_.notify_all();
}

bool Supervisor::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void Supervisor::run() {
  while (true) {
    const std::optional<std::string> end = run_child();
    std::error_code ignored;
    fs::remove(socket_, ignored);
    if (!end) return;
    const std::string printed = log_.tail();
    const std::string trouble =
        printed.empty() ? *end + "; it printed nothing" : *end + "; it printed last: " + printed;
    const std::optional<milliseconds> wait = restarts_.after_death(steady_clock::now());
    log_warning("predictor process ended",
                {{"program", options_.argv.front()},
                 {"why", trouble},
                 {"next", wait ? fmt::format("in {} ms", wait->count()) : "given up"}});
    {
      std::lock_guard lock(mutex_);
      figures_.trouble = trouble;
      if (wait && restarts_.been_ready()) ++figures_.restarts;
      next_start_ = steady_clock::now() + wait.value_or(milliseconds(0));
    }
    set(wait ? State::kWaiting : State::kFailed, 0);
    if (!wait || !pause(*wait)) return;
  }
}

bool Supervisor::pause(milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return stopping_; });
  return !stopping_;
}

std::optional<std::string> Supervisor::run_child() {
  ChildOptions options{.argv = options_.argv,
                       .environment = options_.environment,
                       .mark = "REKINDLE_SOCKET=" + socket_.string(),
                       .folder = options_.folder};
  options.environment.push_back(options.mark);
  std::error_code ignored;
  fs::remove(socket_, ignored);
  if (stopping()) return std::nullopt;
  auto child = Child::start(options, log_);
  if (!child.ok()) return "it cannot be started: " + child.status().message();
  {
    std::lock_guard lock(mutex_);
    ++number_;
  }
  set(State::kStarting, child->pid());
  std::optional<std::string> end = until_ready(*child);
  if (!end && !stopping()) {
    set(State::kReady, child->pid());
    end = until_end(*child);
  }
  if (end) set(State::kWaiting, 0);  // nobody should ask it while it is being ended
  child->kill();
  return end;
}

void Supervisor::watch(Child& child, int timeout_ms) {
  child.wait(wake_.get(), timeout_ms);
  eventfd_t ignored = 0;
  ::eventfd_read(wake_.get(), &ignored);
}

std::optional<std::string> Supervisor::until_ready(Child& child) {
  const auto limit = steady_clock::now() + options_.start_within;
  net::HttpClient client({.url = url_, .body_bytes_max = 64 * 1024});
  int every = kFirstProbeEveryMs;
  while (!stopping()) {
    const auto ready = client.request("GET", "/v2/health/ready", {}, {}, kProbe);
    if (ready.ok() && ready->status == 200) return std::nullopt;
    watch(child, every);
    if (const auto end = child.ended()) return "it ended before it was ready: " + *end;
    if (auto grown = overgrown(child)) return grown;
    if (steady_clock::now() > limit)
      return fmt::format("it was not ready within {} s (predict.start_within)",
                         options_.start_within.count() / 1000.0);
    every = std::min(every * 2, kProbeEveryMsMax);
  }
  return std::nullopt;
}

std::optional<std::string> Supervisor::until_end(Child& child) {
  while (!stopping()) {
    watch(child, kLookEveryMs);
    if (const auto end = child.ended()) return "it ended: " + *end;
    if (auto grown = overgrown(child)) return grown;
    std::lock_guard lock(mutex_);
    if (hung_ == number_) return "it gave no answer in time and was ended";
  }
  return std::nullopt;
}

std::optional<std::string> Supervisor::overgrown(const Child& child) {
  const auto now = steady_clock::now();
  const bool all = now - looked_ >= kLookAtAllEvery;
  const uint64_t bytes = child.memory(all);
  if (all) {
    looked_ = now;
    std::lock_guard lock(mutex_);
    figures_.memory_bytes = bytes;
  }
  if (bytes <= options_.memory_bytes) return std::nullopt;
  return fmt::format("it held {} of memory where predict.memory allows {}, and was ended", megabytes(bytes),
                     megabytes(options_.memory_bytes));
}

Result<uint64_t> Supervisor::ready(uint64_t after, Time until) const {
  std::unique_lock lock(mutex_);
  const auto settled = [&] {
    return canceled_ || figures_.state == State::kFailed ||
           (figures_.state == State::kReady && number_ > after) ||
           (figures_.state != State::kReady && next_start_ + start_took_ > until);
  };
  const bool in_time = changed_.wait_until(lock, until, settled);
  if (canceled_) return Status(Code::kCanceled, "the predictor is being stopped");
  if (in_time && figures_.state == State::kReady && number_ > after) return number_;
  if (figures_.state == State::kFailed)
    return unavailable("the predictor died too often and is given up: " + figures_.trouble);
  return unavailable("the predictor is being started again: " + figures_.trouble);
}

// A process is dead some time before its supervisor has been told: on a busy host too, the kernel knows.
bool Supervisor::ended(uint64_t number, Time until) const {
  std::unique_lock lock(mutex_);
  const auto gone = [&] {
    return canceled_ || number_ != number || figures_.state != State::kReady || !start_ticks(figures_.pid);
  };
  while (!gone() && steady_clock::now() < until) changed_.wait_for(lock, kGlance);
  return gone();
}

void Supervisor::answered() {
  last_answer_.store(steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

void Supervisor::hangs(uint64_t number, Time asked) {
  if (last_answer_.load() > asked.time_since_epoch().count()) return;  // busy, not hanging
  std::lock_guard lock(mutex_);
  hung_ = number;
  ::eventfd_write(wake_.get(), 1);
}

void Supervisor::cancel() {
  std::lock_guard lock(mutex_);
  canceled_ = true;
  changed_.notify_all();
}

ProcessFigures Supervisor::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace rekindle::models
