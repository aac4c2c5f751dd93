#include "launch/gang/ranks.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace rekindle::launch {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

sigset_t gang_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1}) ::sigaddset(&set, signal);
  return set;
}

// The next blocked signal, or 0 after `wait`.
int next_signal(milliseconds wait) {
  const sigset_t set = gang_signals();
  const timespec limit{.tv_sec = wait.count() / 1000, .tv_nsec = wait.count() % 1000 * 1'000'000};
  return std::max(0, ::sigtimedwait(&set, nullptr, &limit));
}

}  // namespace

void block_gang_signals() {
  const sigset_t set = gang_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

Status Ranks::start(const SpawnOptions& spawning) {
  leader_end_.reset();
  yield_sent_ = false;
  leader_ = TRY(spawn(spawning));
  return ok_status();
}

Status Ranks::start(const std::function<int()>& body, const SpawnOptions& spawning) {
  leader_end_.reset();
  yield_sent_ = false;
  leader_ = TRY(spawn_within(body, spawning));
  return ok_status();
}

void Ranks::wait(const Waiting& waiting) {
  SteadyTime told = std::chrono::steady_clock::now();
  while (!leader_end_.has_value()) {
    on_signal(next_signal(time_to_wait(waiting)));
    const SteadyTime now = std::chrono::steady_clock::now();
    if (waiting.each_second && now - told >= milliseconds(1000)) {
      told = now;
      waiting.each_second();
    }
    if (leader_end_.has_value()) break;
    if (yield_wanted_ && !yield_sent_ && (waiting.ends_on_yield || waiting.ready())) {
      yield_sent_ = true;
      if (waiting.ends_on_yield)
        kill_descendants();
      else
        ::kill(leader_, SIGUSR1);
    }
    if (stop_at_.has_value() && now >= *stop_at_) {
      note("still there after the grace: killed");
      stop_at_.reset();
      kill_descendants();
    }
  }
}

bool Ranks::sweep() {
  const SteadyTime limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (kill_descendants()) {
    reap();
    if (std::chrono::steady_clock::now() > limit) return false;
    next_signal(milliseconds(10));
    reap();
  }
  return true;
}

void Ranks::note(std::string_view text) {
  if (!note_.empty()) note_ += "; ";
  note_ += text;
}

// Only a wish that is still to be carried out makes us look again before a signal comes.
milliseconds Ranks::time_to_wait(const Waiting& waiting) const {
  milliseconds wait = waiting.each_second ? milliseconds(1000) : std::chrono::hours(1);
  if (yield_wanted_ && !yield_sent_) wait = milliseconds(50);
  if (stop_at_.has_value()) {
    const auto left = std::chrono::ceil<milliseconds>(*stop_at_ - std::chrono::steady_clock::now());
    wait = std::clamp(left, milliseconds(0), wait);
  }
  return wait;
}

void Ranks::on_signal(int signal) {
  if (signal == SIGCHLD) reap();
  if (signal == SIGUSR1) yield_wanted_ = true;
  if ((signal == SIGTERM || signal == SIGINT) && !stopped_) {
    note("stopped on request");
    stopped_ = true;
    stop_at_ = std::chrono::steady_clock::now() + options_.stop_grace;
    if (!leader_end_.has_value()) ::kill(leader_, SIGTERM);
  }
  if (signal == SIGQUIT) {
    note("killed on request");
    stopped_ = true;
    kill_descendants();
  }
}

// The leader, and, since this process is their subreaper, whatever was orphaned below it.
void Ranks::reap() {
  int status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == leader_) leader_end_ = status;
  }
}

// Whether there were any.
bool Ranks::kill_descendants() {
  if (childless()) return false;
  const std::vector<ProcessInfo> all = descendants_of(::getpid());
  // Nobody but us waits for our descendants' pids, and none is reused before it was waited for.
  for (const ProcessInfo& info : all) {
    if (info.state != 'Z') ::kill(info.pid, SIGKILL);
  }
  return !all.empty();
}

}  // namespace rekindle::launch
