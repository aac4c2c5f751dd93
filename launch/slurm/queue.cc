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

int ranks_likely(const Job& job) {
  switch (stage_of(job.state)) {
    case Stage::kOver:
      return 0;
    case Stage::kWaiting:
      return 1;
    case Stage::kUnknown:
      return 2;
    case Stage::kAlive:
      return 3;
  }
  return 2;
}

milliseconds millis(const google::protobuf::Duration& duration) {
  return std::chrono::ceil<milliseconds>(from_proto(duration));
}

}  // namespace

Queue::Queue(v1::SlurmPool pool, Caller caller, Host host)
    : pool_(std::move(pool)),
      caller_(std::move(caller)),
      host_(std::move(host)),
      due_(host_.clock.monotonic()),
      worker_([this] { return turn(); }, host_.hands) {}

Queue::~Queue() {
  give_up_ = true;
  worker_.stop();
}

void Queue::submit(std::vector<std::string> argv, std::function<void(const Submitted&)> done) {
  {
    std::lock_guard lock(mutex_);
    CHECK(tasks_.size() < kTasksMax, "no more attempts are placed than limits allow");
    tasks_.push_back({std::move(argv), std::move(done)});
  }
  worker_.wake();
}

void Queue::tell(std::vector<std::string> argv) {
  {
    std::lock_guard lock(mutex_);
    for (const Task& task : tasks_)
      if (!task.submitted && task.argv == argv) return;
    tasks_.push_back({std::move(argv), {}});
  }
  worker_.wake();
}

void Queue::follow(const std::string& comment, uint64_t number) {
  {
    std::lock_guard lock(mutex_);
    const auto [found, fresh] = followed_.try_emplace(comment);
    if (number != 0) found->second.number = number;
    if (!fresh) return;
    look_now_ = true;
  }
  worker_.wake();
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

std::optional<Micros> Queue::turn() {
  std::vector<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
    if (std::exchange(look_now_, false)) due_ = host_.clock.monotonic();
  }
  for (const Task& task : tasks) carry_out(task);
  if (host_.clock.monotonic() >= due_ || !tasks.empty()) {
    list();
    due_ = host_.clock.monotonic() + millis(pool_.poll());
  }
  std::lock_guard lock(mutex_);
  if (followed_.empty()) return std::nullopt;
  return std::chrono::ceil<Micros>(due_ - host_.clock.monotonic());
}

Result<runtime::Captured> Queue::run(const std::vector<std::string>& argv,
                                     const std::function<void(std::string_view)>& each) {
  if (host_.run) return host_.run(argv, each);
  const Call call = TRY(caller_(argv));
  return runtime::capture(call.argv, call.environment, "/", each,
                          {.limit = millis(pool_.answer_within()), .give_up = &give_up_});
}

Queue::Answer Queue::ask(const std::vector<std::string>& argv, bool quiet) {
  Answer out;
  const auto keep = [&out](std::string_view piece) {
    out.text += piece.substr(0, kAnswerBytesMax - std::min(kAnswerBytesMax, out.text.size()));
  };
  const Result<runtime::Captured> ran = run(argv, keep);
  if (!ran.ok())
    out.failure = ran.status();
  else if (ran->code != 0)
    out.failure = unavailable(
        fmt::format("{} ended with {}: {}", argv[0], ran->code, runtime::last_lines(out.text, 2)));
  out.ok = out.failure.ok();
  if (quiet || out.failure.code() == Code::kCanceled) return out;  // or we are leaving
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
  out.ended = host_.clock.monotonic();
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
  const Instant begun = host_.clock.monotonic();
  const Answer answer = ask(list_command());
  if (!answer.ok) return;
  const std::vector<Job> jobs = parse_listing(answer.text);
  std::vector<std::pair<std::string, uint64_t>> missing;
  std::vector<Job> cancelled;
  {
    std::lock_guard lock(mutex_);
    for (auto& [comment, followed] : followed_) {
      const Job* best = nullptr;
      for (const Job& job : jobs) {
        if (job.comment != comment) continue;
        // One comment names one job. Were there two after all, the one that may have ranks is what matters.
        if (!best || ranks_likely(*best) < ranks_likely(job)) best = &job;
      }
      // What was said of its end stays, unless one of its name may run after all.
      if (followed.sight.over() && (!best || stage_of(best->state) == Stage::kOver)) {
        followed.sight.heard = begun;
        continue;
      }
      if (!best) {
        missing.emplace_back(comment, followed.number);
        continue;
      }
      if (best->state == "CANCELLED" && accounts_)
        cancelled.push_back(*best);
      else
        see(followed, *best, begun);
    }
  }
  int asked = 0;
  for (Job& job : cancelled) {
    if (++asked > kDetailsMost) break;
    find_canceller(std::move(job), begun);
  }
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
    see(found->second, Job{number, state, "", "", comment}, begun);
  }
}

void Queue::see(Followed& followed, const Job& job, Instant begun) {
  Sight& sight = followed.sight;
  const bool same = sight.job && sight.job->state == job.state && sight.job->reason == job.reason;
  sight.same = same ? sight.same + 1 : 1;
  sight.job = job;
  sight.heard = begun;
  sight.absent.reset();
  followed.number = job.number;
}

// squeue says that a job was cancelled, the accounts also by whom.
void Queue::find_canceller(Job job, Instant begun) {
  const std::string state = accounted(job.number);
  if (state.starts_with(job.state)) job.state = state;
  std::lock_guard lock(mutex_);
  const auto found = followed_.find(job.comment);
  if (found != followed_.end()) see(found->second, job, begun);
}

std::string Queue::state_by_number(uint64_t number) {
  const Answer shown = ask(show_command(number), true);
  std::string state = shown.ok ? parse_details(shown.text) : std::string();
  return state.empty() ? accounted(number) : state;
}

std::string Queue::accounted(uint64_t number) {
  if (!accounts_) return {};
  const Answer answer = ask(accounting_command(number), true);
  // Without slurmdbd sacct fails each time: once is enough to know.
  accounts_ = answer.ok;
  return answer.ok ? parse_accounting(answer.text) : std::string();
}

}  // namespace rekindle::launch::slurm
