#include "coordinator/attempts/attempt_thread.h"

#include <fmt/format.h>

#include "base/log.h"
#include "proto/time.h"

namespace rekindle::coordinator {
namespace {

// A rank that was seen last at work says more than a signal's number.
Ending with_last_work(Ending ending, const HangWatch& watch) {
  if (!ending.rank || ending.end != v1::END_CRASH) return ending;
  const std::string doing = watch.doing(static_cast<uint32_t>(*ending.rank));
  if (!doing.empty()) ending.message += fmt::format("; rank {} was last seen {}", *ending.rank, doing);
  return ending;
}

}  // namespace

AttemptThread::AttemptThread(launch::Launcher& launcher, const Clock& clock, AttemptThreadOptions options,
                             std::function<void(Observation)> on_observation)
    : launcher_(launcher),
      clock_(clock),
      options_(options),
      on_observation_(std::move(on_observation)),
      thread_([this] { loop(); }) {}

AttemptThread::~AttemptThread() {
  stop();
}

void AttemptThread::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void AttemptThread::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void AttemptThread::watch(AttemptId id, launch::AttemptFolder folder, uint32_t world, v1::Limits limits,
                          bool has_started) {
  post(
      [this, id = std::move(id), folder = std::move(folder), world, limits = std::move(limits), has_started] {
        if (watched_.contains(id) || finished_.contains(id)) return;
        Watched attempt{
            folder,
            {},
            HangWatch(world, from_proto(limits.hang()), from_proto(limits.hang_warm()), clock_.monotonic()),
            has_started};
        for (uint32_t rank = 0; rank < world; ++rank)
          attempt.readers.emplace_back(folder, static_cast<int>(rank));
        watched_.emplace(id, std::move(attempt));
      });
}

void AttemptThread::start(AttemptId id, v1::Plan plan) {
  post([this, id = std::move(id), plan = std::move(plan)] { do_start(id, plan); });
}

void AttemptThread::signal(AttemptId id, launch::Signal signal) {
  post([this, id = std::move(id), signal] {
    auto it = watched_.find(id);
    if (it == watched_.end()) return;
    Status status = launcher_.signal(it->second.folder, signal);
    if (!status.ok())
      log_warning("attempt signal", {{"run", id.run}, {"attempt", id.attempt}, {"error", status.message()}});
  });
}

void AttemptThread::do_start(const AttemptId& id, const v1::Plan& plan) {
  auto it = watched_.find(id);
  if (it == watched_.end()) return;
  Status status = it->second.folder.create(plan);
  if (status.ok()) status = launcher_.start(it->second.folder);
  // What the pool does not allow it will not allow at another try.
  const bool refused = status.code() == Code::kFailedPrecondition;
  if (!status.ok())
    return finish(id, {refused ? v1::END_SPEC_REFUSED : v1::END_LAUNCH_FAILED, status.message(), {}, {}});
  it->second.handed_over = clock_.monotonic();
}

void AttemptThread::loop() {
  for (;;) {
    std::vector<std::function<void()>> tasks;
    {
      std::unique_lock lock(mutex_);
      auto due = [this] { return stopping_ || !tasks_.empty(); };
      if (watched_.empty())
        wake_.wait(lock, due);
      else
        wake_.wait_for(lock, options_.poll, due);
      if (stopping_) return;
      tasks.swap(tasks_);
    }
    for (auto& task : tasks) task();
    std::vector<AttemptId> ids;
    for (const auto& [id, attempt] : watched_) ids.push_back(id);
    for (const AttemptId& id : ids)
      if (auto it = watched_.find(id); it != watched_.end()) poll(id, it->second);
  }
}

void AttemptThread::poll(const AttemptId& id, Watched& attempt) {
  // Probed before the reports are read: what a rank wrote before its gang ended is then never missed.
  auto state = launcher_.probe(attempt.folder);
  if (!state.ok()) {
    log_warning("attempt probe",
                {{"run", id.run}, {"attempt", id.attempt}, {"error", state.status().message()}});
    return;
  }
  if (!attempt.started && state->gang) {
    attempt.started = true;
    attempt.hang.begin(clock_.monotonic());
    Observation seen;
    seen.kind = Observation::kStarted;
    seen.id = id;
    seen.gang = *state->gang;
    on_observation_(std::move(seen));
  }
  read_reports(id, attempt);
  const auto world = static_cast<uint32_t>(attempt.readers.size());
  tell_queue(id, attempt, state->kind == launch::GangState::kQueued ? state->detail : "");
  switch (state->kind) {
    case launch::GangState::kQueued:
      attempt.handed_over = clock_.monotonic();  // its time begins when the queue lets go of it
      return;
    case launch::GangState::kNotStarted:
      if (attempt.has_started)
        return finish(
            id,
            {v1::END_NODE_LOST, "the attempt's folder has gone: " + attempt.folder.root().string(), {}, {}});
      if (attempt.handed_over && clock_.monotonic() - *attempt.handed_over > options_.start_deadline)
        finish(id, {v1::END_LAUNCH_FAILED, "the gang supervisor did not start within its time", {}, {}});
      return;
    case launch::GangState::kEnded:
    case launch::GangState::kLost:  // the launcher has seen that no rank is left
      return finish(id, with_last_work(ending_of(attempt.folder, *state, world), attempt.hang));
    case launch::GangState::kAlive:
      break;
  }
  examine(id, attempt);
}

void AttemptThread::tell_queue(const AttemptId& id, Watched& attempt, std::string waits_for) {
  if (waits_for == attempt.queue_said) return;
  attempt.queue_said = waits_for;
  Observation seen;
  seen.kind = Observation::kQueue;
  seen.id = id;
  seen.message = std::move(waits_for);
  on_observation_(std::move(seen));
}

void AttemptThread::examine(const AttemptId& id, Watched& attempt) {
  Observation seen;
  seen.id = id;
  if (attempt.hang_said) return;
  if (auto found = attempt.hang.check(clock_.monotonic())) {
    attempt.hang_said = true;
    seen.kind = Observation::kHang;
    seen.message = found->message;
    // A rank that never came is the launch's fault, not the job's.
    if (found->kind == Diagnosis::kAbsent) seen.end = v1::END_LAUNCH_FAILED;
    return on_observation_(std::move(seen));
  }
  auto slow = attempt.hang.slowest();
  if ((slow ? slow->rank : -1) == attempt.slow_said) return;
  attempt.slow_said = slow ? slow->rank : -1;
  seen.kind = Observation::kNote;
  if (slow) seen.message = slow->message;
  on_observation_(std::move(seen));
}

void AttemptThread::read_reports(const AttemptId& id, Watched& attempt) {
  std::optional<v1::Progress> newest;
  for (size_t rank = 0; rank < attempt.readers.size(); ++rank) {
    auto reports = attempt.readers[rank].read_new();
    if (!reports.ok()) {
      log_warning("attempt report", {{"run", id.run}, {"rank", rank}, {"error", reports.status().message()}});
      continue;
    }
    for (const v1::Report& report : *reports) {
      if (report.has_beat())
        attempt.hang.beat(static_cast<uint32_t>(rank), report.beat(), clock_.monotonic());
      if (report.has_progress()) newest = report.progress();
      if (report.has_checkpoint()) {
        Observation seen;
        seen.kind = Observation::kSaved;
        seen.id = id;
        seen.saved_us = report.time_us();
        on_observation_(std::move(seen));
      }
      if (report.has_metric()) {
        Observation seen;
        seen.kind = Observation::kMetric;
        seen.id = id;
        seen.metric = report.metric();
        on_observation_(std::move(seen));
      }
    }
  }
  if (!newest) return;
  Observation seen;
  seen.kind = Observation::kProgress;
  seen.id = id;
  seen.progress = *newest;
  on_observation_(std::move(seen));
}

void AttemptThread::finish(const AttemptId& id, Ending ending) {
  watched_.erase(id);
  finished_.insert(id);
  Observation seen;
  seen.kind = Observation::kEnded;
  seen.id = id;
  seen.ending = std::move(ending);
  on_observation_(std::move(seen));
}

}  // namespace rekindle::coordinator
