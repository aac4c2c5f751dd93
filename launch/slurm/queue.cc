#include "launch/slurm/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "launch/slurm/commands.h"
#include "proto/time.h"
#include "runtime/capture.h"

namespace rekindle::launch::slurm {
namespace {

using std::chrono::milliseconds;

constexpr size_t kAnswerBytesMax = 16 << 20;  // a listing of 100,000 jobs
constexpr size_t kTasksMax = 100'000;
// Jobs that are gone from the listing cost a command each to ask about.
constexpr int kDetailsMost = 20;

milliseconds millis(const google::protobuf::Duration& duration) {
  return std::chrono::ceil<milliseconds>(from_proto(duration));
}

}  // namespace

Queue::Queue(v1::SlurmPool pool)
    : pool_(std::move(pool)), environment_(command_environment(pool_)), thread_([this] { loop(); }) {}

Queue::~Queue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  give_up_ = true;
  wake_.notify_one();
  thread_.join();
}

void Queue::submit(std::vector<std::string> argv, std::function<void(const Submitted&)> done) {
  {
    std::lock_guard lock(mutex_);
    CHECK(tasks_.size() < kTasksMax, "no more attempts are placed than limits allow");
    tasks_.push_back({std::move(argv), std::move(done)});
  }
  wake_.notify_one();
}

void Queue::tell(std::vector<std::string> argv) {
  {
    std::lock_guard lock(mutex_);
    for (const Task& task : tasks_)
      if (!task.submitted && task.argv == argv) return;
    tasks_.push_back({std::move(argv), {}});
  }
  wake_.notify_one();
}

void Queue::follow(const std::string& comment, uint64_t number) {
  {
    std::lock_guard lock(mutex_);
    const auto [found, fresh] = followed_.try_emplace(comment);
    if (number != 0) found->second.number = number;
    if (!fresh) return;
    look_now_ = true;
  }
  wake_.notify_one();
}

void Queue::forget(const std::string& comment) {
  std::lock_guard lock(mutex_);
  followed_.erase(comment);
}

Sight Queue::sight(const std::string& comment) const {
  std::lock_guard lock(mutex_);
  const auto found = followed_.find(comment);
  return found == followed_.end() ? Sight() : found->second.sight;
}

std::string Queue::trouble() const {
  std::lock_guard lock(mutex_);
  return trouble_;
}

void Queue::loop() {
  const milliseconds pause = millis(pool_.poll());
  Instant due = std::chrono::steady_clock::now();
  for (;;) {
    std::vector<Task> tasks;
    {
      std::unique_lock lock(mutex_);
      const auto called = [this] { return stopping_ || !tasks_.empty() || look_now_; };
      if (followed_.empty())
        wake_.wait(lock, called);
      else
        wake_.wait_until(lock, due, called);
      if (stopping_) return;
      tasks.swap(tasks_);
      if (std::exchange(look_now_, false)) due = std::chrono::steady_clock::now();
    }
    for (const Task& task : tasks) carry_out(task);
    if (std::chrono::steady_clock::now() < due && tasks.empty()) continue;
    list();
    due = std::chrono::steady_clock::now() + pause;
  }
}

Queue::Answer Queue::ask(const std::vector<std::string>& argv) {
  Answer out;
  const auto keep = [&out](std::string_view piece) {
    out.text += piece.substr(0, kAnswerBytesMax - std::min(kAnswerBytesMax, out.text.size()));
  };
  const Result<runtime::Captured> ran = runtime::capture(
      argv, environment_, "/", keep, {.limit = millis(pool_.answer_within()), .give_up = &give_up_});
  if (!ran.ok())
    out.failure = ran.status();
  else if (ran->code != 0)
    out.failure = unavailable(
        fmt::format("{} ended with {}: {}", argv[0], ran->code, runtime::last_lines(out.text, 2)));
  out.ok = out.failure.ok();
  if (out.failure.code() == Code::kCanceled) return out;  // we are leaving
  std::lock_guard lock(mutex_);
  if (!out.ok && trouble_ != out.failure.message())
    log_warning("a command of Slurm's failed", {{"reason", out.failure.message()}});
  trouble_ = out.failure.message();
  return out;
}

void Queue::carry_out(const Task& task) {
  const Answer answer = ask(task.argv);
  if (!task.submitted) return;
  Submitted out;
  out.ended = std::chrono::steady_clock::now();
  if (answer.ok) out.job = parse_submission(answer.text);
  if (!out.job) {
    out.refusal = refusal_of(answer.text);
    // Success without a number, an end by us, a program that is not there: only the last proves something.
    const Code code = answer.failure.code();
    if (answer.ok || code == Code::kDeadlineExceeded || code == Code::kCanceled)
      out.refusal.kind = Refusal::kUnclear;
    else if (code != Code::kUnavailable)
      out.refusal.kind = Refusal::kLater;
    if (out.refusal.message.empty()) out.refusal.message = answer.failure.message();
  }
  task.submitted(out);
}

void Queue::list() {
  {
    std::lock_guard lock(mutex_);
    if (followed_.empty()) return;
  }
  const Instant begun = std::chrono::steady_clock::now();
  const Answer answer = ask(list_command());
  if (!answer.ok) return;
  const std::vector<Job> jobs = parse_listing(answer.text);
  std::vector<std::pair<std::string, uint64_t>> missing;
  {
    std::lock_guard lock(mutex_);
    for (auto& [comment, followed] : followed_) {
      const Job* best = nullptr;
      for (const Job& job : jobs) {
        if (job.comment != comment) continue;
        // One comment names one job. Were there two after all, the one that may run is what matters.
        if (!best || stage_of(best->state) == Stage::kOver) best = &job;
      }
      if (!best) {
        missing.emplace_back(comment, followed.number);
        continue;
      }
      Sight& sight = followed.sight;
      const bool same = sight.job && sight.job->state == best->state && sight.job->reason == best->reason;
      sight.same = same ? sight.same + 1 : 1;
      sight.job = *best;
      sight.absent.reset();
      followed.number = best->number;
    }
  }
  int asked = 0;
  for (const auto& [comment, number] : missing) {
    if (++asked > kDetailsMost) break;
    settle_absent(comment, number, begun);
  }
}

// Slurm forgets what has ended a while ago; the accounts, where there are any, do not.
void Queue::settle_absent(const std::string& comment, uint64_t number, Instant begun) {
  const std::string state = number == 0 ? "" : state_by_number(number);
  std::lock_guard lock(mutex_);
  const auto found = followed_.find(comment);
  if (found == followed_.end()) return;
  Sight& sight = found->second.sight;
  if (state.empty()) {
    sight.job.reset();
    sight.absent = begun;
  } else {
    sight.job = Job{number, state, "", "", comment};
    sight.absent.reset();
  }
}

std::string Queue::state_by_number(uint64_t number) {
  const auto quietly = [this](const std::vector<std::string>& argv, bool& answered) {
    std::string text;
    const Result<runtime::Captured> ran =
        runtime::capture(argv, environment_, "/",
                         [&text](std::string_view piece) { text += piece.substr(0, kAnswerBytesMax); },
                         {.limit = millis(pool_.answer_within()), .give_up = &give_up_});
    answered = ran.ok() && ran->code == 0;
    return answered ? text : std::string();
  };
  bool answered = false;
  if (std::string state = parse_details(quietly(show_command(number), answered)); !state.empty())
    return state;
  if (!accounts_) return {};
  // Without slurmdbd sacct fails each time: once is enough to know.
  return parse_accounting(quietly(accounting_command(number), accounts_));
}

}  // namespace rekindle::launch::slurm
