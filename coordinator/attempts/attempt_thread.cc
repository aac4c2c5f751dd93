#include "coordinator/attempts/attempt_thread.h"

#include <fmt/format.h>

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "base/text/printable.h"
#include "launch/gang_lock.h"
#include "proto/time.h"

namespace rekindle::coordinator {
namespace {

// A rank that was seen last at work says more than a signal's number.
launch::Ending with_last_work(launch::Ending ending, const HangWatch& watch) {
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
      worker_([this] { return turn(); }, options.hands, folders_.fd()) {}

AttemptThread::~AttemptThread() {
  stop();
}

void AttemptThread::stop() {
  worker_.stop();
}

void AttemptThread::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  worker_.wake();
}

void AttemptThread::watch(AttemptId id, launch::AttemptFolder folder, uint32_t world, v1::Limits limits,
                          bool has_started, bool task) {
  post([this, id = std::move(id), folder = std::move(folder), world, limits = std::move(limits), has_started,
        task] {
    if (watched_.contains(id) || finished_.contains(id)) return;
    Watched attempt{
        folder,
        {},
        HangWatch(world, from_proto(limits.hang()), from_proto(limits.hang_warm()), clock_.monotonic()),
        has_started,
        task};
    for (uint32_t rank = 0; rank < world; ++rank)
      attempt.readers.emplace_back(folder, static_cast<int>(rank));
    folders_.add(folder.root());
    by_folder_.emplace(folder.root(), id);
    watched_.emplace(id, std::move(attempt));
  });
}

void AttemptThread::start(AttemptId id, v1::Plan plan, launch::Sync sync) {
  post([this, id = std::move(id), plan = std::move(plan), sync] { do_start(id, plan, sync); });
}

void AttemptThread::signal(AttemptId id, launch::Signal signal) {
  post([this, id = std::move(id), signal] {
    auto it = watched_.find(id);
    if (it == watched_.end()) return;
    Status status = launcher_.signal(it->second.folder, signal);
    crash_point("attempt-signalled");
    if (!status.ok())
      log_warning("attempt signal", {{"run", id.run}, {"attempt", id.attempt}, {"error", status.message()}});
  });
}

void AttemptThread::do_start(const AttemptId& id, const v1::Plan& plan, launch::Sync sync) {
  auto it = watched_.find(id);
  if (it == watched_.end()) return;
  crash_point("attempt-starting");
  Status status = it->second.folder.create(plan, sync);
  crash_point("attempt-planned");
  folders_.add(it->second.folder.root());
  if (status.ok()) status = launcher_.start(it->second.folder);
  crash_point("attempt-launched");
  // What the pool does not allow it will not allow at another try.
  const bool refused = status.code() == Code::kFailedPrecondition;
  if (status.ok())
    it->second.handed_over = clock_.monotonic();
  else
    give_up(id, it->second,
            {refused ? v1::END_SPEC_REFUSED : v1::END_LAUNCH_FAILED, status.message(), {}, {}, {}});
}

// A start that failed, or took too long, may have brought up a gang that is only slow, or an earlier one may
// have: the next attempt must wait until its folder keeps it out.
void AttemptThread::give_up(const AttemptId& id, Watched& attempt, launch::Ending why) {
  if (!fs::exists(attempt.folder.plan())) return finish(id, std::move(why));  // without one no gang begins
  attempt.handed_over = clock_.monotonic();  // if not now, it is tried again when as much time has passed
  // One has begun: what became of it and its ranks is the launcher's to say, a free lock is not enough.
  const auto gang = attempt.folder.read_gang();
  if (!gang.ok() || gang->has_value()) {
    log_warning("attempt not given up: a gang of it has begun",
                {{"run", id.run}, {"attempt", id.attempt}, {"error", why.message}});
    return;
  }
  v1::ExitRecord record;
  record.set_ended_us(to_micros(clock_.wall()));
  record.set_note(why.message);
  record.set_barred_end(why.end);
  const Result<bool> barred = launch::bar(attempt.folder, std::move(record));
  if (!barred.ok())
    log_warning("attempt not given up yet",
                {{"run", id.run}, {"attempt", id.attempt}, {"error", barred.status().message()}});
  // One that lives, or has ended by itself, is seen when it is looked at next.
  const auto exit = attempt.folder.read_exit();
  if (barred.ok() && *barred && exit.ok() && *exit && (*exit)->barred()) finish(id, std::move(why));
}

std::optional<Micros> AttemptThread::turn() {
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
  for (const fs::path& folder : folders_.changed())
    if (auto id = by_folder_.find(folder); id != by_folder_.end()) poll(AttemptId(id->second));
  if (clock_.monotonic() >= round_) {
    round_ = clock_.monotonic() + options_.poll;
    std::vector<AttemptId> ids;
    for (const auto& [id, attempt] : watched_) ids.push_back(id);
    for (const AttemptId& id : ids) poll(id);
  }
  if (watched_.empty()) return std::nullopt;
  return std::chrono::ceil<Micros>(round_ - clock_.monotonic());
}

void AttemptThread::poll(const AttemptId& id) {
  if (auto it = watched_.find(id); it != watched_.end()) poll(id, it->second);
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
    crash_point("attempt-adopted");
    on_observation_(std::move(seen));
  }
  read_reports(id, attempt);
  const auto world = static_cast<uint32_t>(attempt.readers.size());
  const bool outside = state->kind == launch::GangState::kQueued || state->kind == launch::GangState::kEnding;
  tell_queue(id, attempt, outside ? state->detail : "");
  switch (state->kind) {
    case launch::GangState::kEnding:  // its ranks beat no more, and nobody is to be ended for that
      return;
    case launch::GangState::kQueued:
      attempt.handed_over = clock_.monotonic();  // its time begins when the queue lets go of it
      return;
    case launch::GangState::kNotStarted:
      if (attempt.has_started)
        return finish(id, {v1::END_NODE_LOST,
                           "the attempt's folder has gone: " + attempt.folder.root().string(),
                           {},
                           {},
                           {}});
      if (attempt.handed_over && clock_.monotonic() - *attempt.handed_over > options_.start_deadline)
        give_up(id, attempt,
                {v1::END_LAUNCH_FAILED, "the gang supervisor did not start within its time", {}, {}, {}});
      return;
    case launch::GangState::kEnded:
    case launch::GangState::kLost:  // the launcher has seen that no rank is left
      return finish(
          id, with_last_work(launch::ending_of(attempt.folder, *state, world, attempt.task), attempt.hang));
    case launch::GangState::kAlive:
      break;
  }
  examine(id, attempt);
}

void AttemptThread::tell_queue(const AttemptId& id, Watched& attempt, std::string waits_for) {
  waits_for = printable(waits_for);
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
    if (found->rank >= 0) seen.rank = found->rank;
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

// What a script said last stands in the journal, which holds UTF-8 alone, and on terminals.
void AttemptThread::finish(const AttemptId& id, launch::Ending ending) {
  ending.message = printable(ending.message);
  if (auto it = watched_.find(id); it != watched_.end()) {
    folders_.remove(it->second.folder.root());
    by_folder_.erase(it->second.folder.root());
    watched_.erase(it);
  }
  finished_.insert(id);
  Observation seen;
  seen.kind = Observation::kEnded;
  seen.id = id;
  seen.ending = std::move(ending);
  crash_point("attempt-ended");
  on_observation_(std::move(seen));
}

}  // namespace rekindle::coordinator
