#include "launch/slurm/launcher.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "base/clock.h"
#include "base/faults/crash_point.h"
#include "base/log.h"
#include "launch/gang_lock.h"
#include "launch/slurm/commands.h"
#include "launch/slurm/queue.h"
#include "launch/slurm/share.h"
#include "proto/time.h"

namespace rekindle::launch {
namespace {

using namespace slurm;  // NOLINT: this file is the launcher of that folder

// A reason that stands in one listing alone may be of the moment.
constexpr int kListingsForNever = 2;

fs::path program(const std::string& folder, const fs::path& here, std::string_view name) {
  return folder.empty() ? here : fs::path(folder) / name;
}

Submission submission_of(const v1::SlurmPool& pool, const LauncherOptions& programs, const v1::Plan& plan,
                         const AttemptFolder& folder) {
  const fs::path root = fs::absolute(folder.root());
  return {.pool = pool,
          .plan = plan,
          .folder = root,
          .script = root / "attempt.sbatch",
          .gang = program(pool.programs(), programs.gang_program, "rekindle-gang"),
          .trainer = program(pool.programs(), programs.trainer_program, "rekindle-trainer"),
          .stop_grace = programs.stop_grace};
}

class SlurmLauncher final : public Launcher {
 public:
  SlurmLauncher(v1::Pool pool, LauncherOptions programs, Whose whose, Host host)
      : pool_(std::move(pool)),
        programs_(std::move(programs)),
        whose_(std::move(whose)),
        clock_(host.clock),
        queue_(
            pool_.slurm(), [this](std::vector<std::string> argv) { return call(std::move(argv)); },
            std::move(host)) {}

  Status start(const AttemptFolder& folder) override {
    const v1::Plan plan = TRY(folder.read_plan());
    if (TRY(folder.read_launch()).has_value() || fs::exists(folder.exit()) || TRY(gang_lock_held(folder)))
      return ok_status();
    const Submission submission = submission_of(pool_.slurm(), programs_, plan, folder);
    if (submission.folder.string().find_first_of("%\\\n") != std::string::npos)
      return invalid_argument(
          fmt::format("{} has a %, \\ or line break in it, which sbatch would read as a pattern: keep runs "
                      "elsewhere (--shared)",
                      submission.folder.string()));
    if (whose_) TRY_STATUS(share(folder, plan));
    TRY_STATUS(write_file_durably(submission.script, kTemplate, 0640));
    v1::LaunchRecord record;
    record.set_comment(comment_of(plan));
    record.set_submitted_us(to_micros(clock_.wall()));
    // Before the submission: whatever happens to us now, the job is looked for by its comment.
    TRY_STATUS(folder.write_launch(record));
    crash_point("slurm-recorded");
    {
      std::lock_guard lock(mutex_);
      attempts_[folder.root()] = {record, true, {}};
    }
    queue_.submit(submit_command(submission),
                  [this, folder](const Submitted& answer) { submitted(folder, answer); });
    return ok_status();
  }

  Status signal(const AttemptFolder& folder, Signal signal) override {
    if (fs::exists(folder.exit())) return ok_status();
    const std::optional<v1::LaunchRecord> record = TRY(known(folder));
    if (!record.has_value())
      return not_found(fmt::format("no job was submitted for {} yet", folder.root().string()));
    const uint64_t job = job_of(*record);
    if (signal == Signal::kKill) {
      if (job != 0)
        queue_.tell(cancel_command(job));
      else
        set_cancelled(folder);  // once it is found
      return ok_status();
    }
    if (job == 0 || !TRY(folder.read_gang()).has_value())
      return not_found(fmt::format("no gang has started in {} yet", folder.root().string()));
    queue_.tell(signal_command(job, signal == Signal::kYield ? "USR1" : "TERM"));
    return ok_status();
  }

  Result<GangState> probe(const AttemptFolder& folder) override {
    GangState state;
    if (TRY(ended(folder, state))) return state;
    state.gang = TRY(folder.read_gang());
    if (TRY(gang_lock_held(folder))) {
      state.kind = GangState::kAlive;
      return state;
    }
    const std::optional<v1::LaunchRecord> record = TRY(known(folder));
    if (!record.has_value()) return state;  // not started
    // One that came and went between the two looks above, with ranks elsewhere: as one that was there before.
    if (!state.gang.has_value()) state.gang = TRY(folder.read_gang());
    const Sight sight = queue_.sight(record->comment());
    if (state.gang.has_value() && !sight.newer_than(set_gone(folder)))
      return waiting(std::move(state), "its supervisor is gone; Slurm has not said yet how its job did");
    if (sight.job) return with_job(folder, *record, sight, std::move(state));
    if (sight.absent) return without_job(folder, *record, *sight.absent, std::move(state));
    return waiting(std::move(state), queue_.trouble().empty() ? "Slurm has not been asked yet"
                                                              : "Slurm does not answer: " + queue_.trouble());
  }

  std::string trouble(const std::string&) override { return queue_.trouble(); }

 private:
  struct Attempt {
    v1::LaunchRecord record;
    bool submitting = false;
    // By this process, and without an answer that says anything.
    std::optional<Instant> lost;
    bool cancelled = false;
    std::optional<Instant> gone;  // when its supervisor was first seen to have ended
  };

  Result<Call> call(std::vector<std::string> argv) const {
    if (!whose_) return own_call(pool_.slurm(), std::move(argv));
    const Identity identity = TRY(whose_());
    return call_as(identity, pool_.slurm(), programs_.gang_program, std::move(argv));
  }

  // What the run's own user has to read and write: its folder, and environments that nobody else runs code
  // from. Artifacts are everybody's, by their group.
  Status share(const AttemptFolder& folder, const v1::Plan& plan) const {
    const Result<Identity> identity = whose_();
    // A credential that has gone since the run was placed; it is placed again once there is one.
    if (!identity.ok()) return unavailable(identity.status().message());
    TRY_STATUS(check_writable_by_group(fs::path(plan.artifacts()) / "blobs"));
    TRY_STATUS(share_folder(folder.root().parent_path(), identity->uid));
    TRY_STATUS(share_folder(folder.root(), identity->uid));
    TRY_STATUS(share_file(folder.plan(), identity->uid));
    return share_folder(plan.environments(), identity->uid);
  }

  // Whether exit.pb is there. The gang's own says it all where the ranks have left their outcome. Else it may
  // be Slurm that ended them, and ranks on other nodes are gone only when Slurm says so: the job ends with
  // its supervisor, whose place is the batch script's.
  Result<bool> ended(const AttemptFolder& folder, GangState& state) {
    state.exit = TRY(whole_exit(folder));
    if (!state.exit.has_value()) return false;
    state.gang = TRY(folder.read_gang());
    state.kind = state.exit->barred() ? GangState::kLost : GangState::kEnded;
    if (state.exit->barred()) {
      state.detail = state.exit->note();
      state.end = static_cast<v1::EndClass>(state.exit->barred_end());
      state.exit.reset();
    } else if (!fs::exists(folder.outcome())) {
      TRY_STATUS(ask_how(folder, state));
      if (state.kind == GangState::kEnding) return true;
    }
    forget(folder);
    return true;
  }

  Status ask_how(const AttemptFolder& folder, GangState& state) {
    const std::optional<v1::LaunchRecord> record = TRY(known(folder));
    if (!record.has_value()) return ok_status();
    const Sight sight = queue_.sight(record->comment());
    const bool fresh = sight.newer_than(set_gone(folder));
    const bool again = fresh && sight.job && stage_of(sight.job->state) == Stage::kWaiting;
    if (!fresh || (sight.job && !sight.over() && !again)) {
      state.exit.reset();
      state.kind = GangState::kEnding;
      state.detail = "its supervisor has ended; Slurm has not said yet how its job did";
      return ok_status();
    }
    if (again) queue_.tell(cancel_command(sight.job->number));
    if (!again && !(sight.job && ended_by_slurm(sight.job->state))) return ok_status();
    const Verdict verdict = again ? put_back(*sight.job) : verdict_of(*sight.job, true);
    state.end = verdict.end;
    state.detail = verdict.message;
    return ok_status();
  }

  static Verdict put_back(const Job& job) {
    return {v1::END_NODE_LOST, fmt::format("job {} of Slurm's was put back into its queue", job.number)};
  }

  static GangState waiting(GangState state, std::string detail) {
    // A gang that was there is not waited for: it is alive until the opposite is proved.
    state.kind = state.gang.has_value() ? GangState::kAlive : GangState::kQueued;
    state.detail = std::move(detail);
    return state;
  }

  Result<GangState> with_job(const AttemptFolder& folder, const v1::LaunchRecord& record, const Sight& sight,
                             GangState state) {
    const Job& job = *sight.job;
    TRY_STATUS(remember(folder, record, job.number));
    const std::string name = fmt::format("job {} of Slurm's", job.number);
    switch (stage_of(job.state)) {
      case Stage::kUnknown:
        return waiting(std::move(state),
                       fmt::format("{} is in a state that is not known: {}", name, job.state));
      case Stage::kAlive:
        return waiting(std::move(state), fmt::format("{} is starting on {}", name,
                                                     job.nodes.empty() ? "its nodes" : job.nodes));
      case Stage::kOver: {
        const Verdict verdict = verdict_of(job, state.gang.has_value());
        return lost(folder, verdict.end, verdict.message, std::move(state));
      }
      case Stage::kWaiting:
        break;
    }
    if (state.gang.has_value()) {
      // Somebody had Slurm start it again; its ranks are gone, and it would be refused by the folder.
      queue_.tell(cancel_command(job.number));
      const Verdict verdict = put_back(job);
      return lost(folder, verdict.end, verdict.message, std::move(state));
    }
    const Outlook outlook = outlook_of(job.reason);
    const std::string advice = advice_on(job.reason);
    if (outlook == Outlook::kNever && sight.same >= kListingsForNever) {
      queue_.tell(cancel_command(job.number));
      return lost(folder, v1::END_SPEC_REFUSED,
                  fmt::format("{} can never start ({}): {}", name, job.reason, advice), std::move(state));
    }
    std::string detail = fmt::format("{} waits in Slurm's queue: {}", name, job.reason);
    if (!advice.empty()) detail += "; " + advice;
    return waiting(std::move(state), std::move(detail));
  }

  Result<GangState> without_job(const AttemptFolder& folder, const v1::LaunchRecord& record, Instant listed,
                                GangState state) {
    Attempt attempt = copy_of(folder);
    if (attempt.submitting) return waiting(std::move(state), "it is being submitted");
    if (state.gang.has_value())
      return lost(folder, v1::END_NODE_LOST,
                  fmt::format("job {} of Slurm's has left its lists, and its supervisor left no record",
                              record.job()),
                  std::move(state));
    // A listing that was begun before the submission ended says nothing.
    if (!attempt.lost) attempt.lost = set_lost(folder);
    if (record.job() != 0 && listed > *attempt.lost)
      return lost(folder, v1::END_LAUNCH_FAILED,
                  fmt::format("job {} of Slurm's has left its lists without a start", record.job()),
                  std::move(state));
    const Micros since = std::chrono::duration_cast<Micros>(listed - *attempt.lost);
    if (record.job() == 0 && since >= from_proto(pool_.slurm().search()))
      return lost(folder, v1::END_LAUNCH_FAILED,
                  "the answer to its submission was lost, and no job with its comment has turned up",
                  std::move(state));
    return waiting(std::move(state), "the answer to its submission was lost: its job is being looked for");
  }

  // Proves it, or says that the gang lives.
  Result<GangState> lost(const AttemptFolder& folder, v1::EndClass end, const std::string& detail,
                         GangState state) {
    v1::ExitRecord record;
    record.set_ended_us(to_micros(clock_.wall()));
    record.set_note(detail);
    record.set_barred_end(end);
    if (!TRY(bar(folder, record))) {
      state.kind = GangState::kAlive;
      state.detail = detail + "; but its supervisor holds the lock";
      return state;
    }
    if (!TRY(ended(folder, state))) return unavailable(folder.exit().string() + " cannot be read back");
    return state;
  }

  // On the queue's thread.
  void submitted(const AttemptFolder& folder, const Submitted& answer) {
    crash_point("slurm-answered");
    Attempt attempt = copy_of(folder);
    attempt.submitting = false;
    Status written;
    if (answer.job) {
      attempt.record.set_job(*answer.job);
      written = folder.write_launch(attempt.record);
      crash_point("slurm-numbered");
      attempt.lost = answer.ended;
      log_info("submitted to Slurm", {{"attempt", folder.root().string()}, {"job", *answer.job}});
      queue_.follow(attempt.record.comment(), *answer.job);
      if (attempt.cancelled) queue_.tell(cancel_command(*answer.job));
    } else if (answer.refusal.kind == Refusal::kUnclear) {
      attempt.lost = answer.ended;
      log_warning("submission without an answer",
                  {{"attempt", folder.root().string()}, {"said", answer.refusal.message}});
      queue_.follow(attempt.record.comment(), 0);
    } else {
      const bool final = answer.refusal.kind == Refusal::kFinal;
      v1::ExitRecord record;
      record.set_ended_us(to_micros(clock_.wall()));
      record.set_note("Slurm refused the job: " + answer.refusal.message);
      record.set_barred_end(final ? v1::END_SPEC_REFUSED : v1::END_LAUNCH_FAILED);
      written = bar(folder, record).status();
    }
    if (!written.ok())
      log_error("attempt record", {{"attempt", folder.root().string()}, {"error", written.message()}});
    std::lock_guard lock(mutex_);
    if (attempts_.contains(folder.root())) {
      attempt.cancelled |= attempts_[folder.root()].cancelled;
      attempts_[folder.root()] = std::move(attempt);
    }
  }

  // The attempt's record; one that another process wrote is followed from now on.
  Result<std::optional<v1::LaunchRecord>> known(const AttemptFolder& folder) {
    {
      std::lock_guard lock(mutex_);
      const auto found = attempts_.find(folder.root());
      if (found != attempts_.end()) return std::optional<v1::LaunchRecord>(found->second.record);
    }
    std::optional<v1::LaunchRecord> record = TRY(folder.read_launch());
    if (!record.has_value()) return record;
    {
      std::lock_guard lock(mutex_);
      attempts_[folder.root()] = {*record, false, {}};
    }
    queue_.follow(record->comment(), record->job());
    return record;
  }

  // The one that may run: Slurm can have taken a submission twice, and the folder refused the other.
  uint64_t job_of(const v1::LaunchRecord& record) const {
    const Sight sight = queue_.sight(record.comment());
    if (sight.job && (!sight.over() || record.job() == 0)) return sight.job->number;
    return record.job();
  }

  // A job that was found by its comment.
  Status remember(const AttemptFolder& folder, v1::LaunchRecord record, uint64_t job) {
    bool cancelled = false;
    {
      std::lock_guard lock(mutex_);
      Attempt& attempt = attempts_[folder.root()];
      cancelled = std::exchange(attempt.cancelled, false);
      attempt.record.set_job(job);
    }
    if (cancelled) queue_.tell(cancel_command(job));
    if (record.job() == job) return ok_status();
    record.set_job(job);
    return folder.write_launch(record);
  }

  Attempt copy_of(const AttemptFolder& folder) {
    std::lock_guard lock(mutex_);
    const auto found = attempts_.find(folder.root());
    return found == attempts_.end() ? Attempt() : found->second;
  }
  Instant set_lost(const AttemptFolder& folder) {
    std::lock_guard lock(mutex_);
    return attempts_[folder.root()].lost.emplace(clock_.monotonic());
  }
  Instant set_gone(const AttemptFolder& folder) {
    std::lock_guard lock(mutex_);
    std::optional<Instant>& gone = attempts_[folder.root()].gone;
    return gone ? *gone : gone.emplace(clock_.monotonic());
  }
  void set_cancelled(const AttemptFolder& folder) {
    std::lock_guard lock(mutex_);
    attempts_[folder.root()].cancelled = true;
  }
  void forget(const AttemptFolder& folder) {
    std::string comment;
    {
      std::lock_guard lock(mutex_);
      const auto found = attempts_.find(folder.root());
      if (found == attempts_.end()) return;
      comment = found->second.record.comment();
      attempts_.erase(found);
    }
    queue_.forget(comment);
  }

  const v1::Pool pool_;
  const LauncherOptions programs_;
  const Whose whose_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<fs::path, Attempt> attempts_;  // by folder: those that have not ended
  Queue queue_;                           // last: its thread uses the rest
};

}  // namespace

std::unique_ptr<Launcher> make_slurm_launcher(v1::Pool pool, LauncherOptions programs, Whose whose,
                                              slurm::Host host) {
  return std::make_unique<SlurmLauncher>(std::move(pool), with_programs(std::move(programs)),
                                         std::move(whose), std::move(host));
}

std::string slurm_launch_text(const v1::Pool& pool, const LauncherOptions& programs, const v1::Plan& plan,
                              const AttemptFolder& folder) {
  return launch_text(submission_of(pool.slurm(), with_programs(programs), plan, folder));
}

}  // namespace rekindle::launch
