#include "launch/gang/gang.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "launch/gang_lock.h"

namespace rekindle::launch {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

int64_t now_us() {
  return to_micros(SystemClock().wall());
}

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

// Shared memory where there is room for it (Open MPI's segments live there), else the disk's /tmp. Short:
// a socket's path has at most 107 characters.
Result<fs::path> make_scratch() {
  constexpr uint64_t kRoomBytes = 512ull << 20;
  struct statvfs shm {};
  const bool roomy = ::access("/dev/shm", W_OK) == 0 && ::statvfs("/dev/shm", &shm) == 0 &&
                     static_cast<uint64_t>(shm.f_bavail) * shm.f_bsize >= kRoomBytes;
  std::string name = roomy ? "/dev/shm/rekindle-XXXXXX" : "/tmp/rekindle-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return errno_status("making a scratch folder", name);
  return fs::path(name);
}

// Everything between the start of the ranks and the end of the last process they left.
class Ranks {
 public:
  Ranks(const GangOptions& options, const v1::Plan& plan) : options_(options), plan_(plan) {}

  Status start(const fs::path& scratch) {
    SpawnOptions spawning;
    const AttemptFolder folder(options_.folder);
    const bool alone = plan_.world() <= 1;
    spawning.argv = alone ? rank_command(options_) : mpirun_command(options_, plan_.world(), scratch);
    spawning.environment = rank_environment(options_, plan_, scratch);
    spawning.output = alone ? folder.log(0) : folder.gang_log();
    spawning.die_with_parent = true;
    leader_ = TRY(spawn(spawning));
    return ok_status();
  }

  // Until the leader has ended, by itself or by our doing.
  void wait() {
    while (!leader_end_.has_value()) {
      on_signal(next_signal(time_to_wait()));
      if (yield_wanted_ && !yield_sent_ && all_reporting()) {
        yield_sent_ = true;
        ::kill(leader_, SIGUSR1);
      }
      if (stop_at_.has_value() && std::chrono::steady_clock::now() >= *stop_at_ && !leader_end_.has_value()) {
        note("still there after the grace: killed");
        stop_at_.reset();
        kill_descendants();
      }
    }
  }

  // Ends what the ranks left behind. False when something will not die (a disk that hangs) in ten seconds.
  bool sweep() {
    const SteadyTime limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (kill_descendants()) {
      reap();
      if (std::chrono::steady_clock::now() > limit) return false;
      next_signal(milliseconds(10));
      reap();
    }
    return true;
  }

  v1::ExitRecord record() const {
    v1::ExitRecord out;
    const int status = leader_end_.value_or(0);
    if (WIFSIGNALED(status))
      out.set_signal(WTERMSIG(status));
    else
      out.set_code(WEXITSTATUS(status));
    if (plan_.world() <= 1) {
      v1::RankExit* rank = out.add_ranks();
      rank->set_code(out.code());
      rank->set_signal(out.signal());
    }
    out.set_note(note_);
    return out;
  }

  void note(std::string_view text) {
    if (!note_.empty()) note_ += "; ";
    note_ += text;
  }

 private:
  // Only a wish that is still to be carried out makes us look again before a signal comes.
  milliseconds time_to_wait() const {
    milliseconds wait = std::chrono::hours(1);
    if (yield_wanted_ && !yield_sent_) wait = milliseconds(50);
    if (stop_at_.has_value()) {
      const auto left = std::chrono::ceil<milliseconds>(*stop_at_ - std::chrono::steady_clock::now());
      wait = std::clamp(left, milliseconds(0), wait);
    }
    return wait;
  }

  void on_signal(int signal) {
    if (signal == SIGCHLD) reap();
    if (signal == SIGUSR1) yield_wanted_ = true;
    if ((signal == SIGTERM || signal == SIGINT) && !stop_at_.has_value()) {
      note("stopped on request");
      stop_at_ = std::chrono::steady_clock::now() + options_.stop_grace;
      ::kill(leader_, SIGTERM);
    }
    if (signal == SIGQUIT) {
      note("killed on request");
      kill_descendants();
    }
  }

  bool all_reporting() const {
    const AttemptFolder folder(options_.folder);
    for (uint32_t rank = 0; rank < std::max<uint32_t>(1, plan_.world()); ++rank) {
      if (::access(folder.report(static_cast<int>(rank)).c_str(), F_OK) != 0) return false;
    }
    return true;
  }

  // The leader, and, since this process is their subreaper, whatever was orphaned below it.
  void reap() {
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == leader_) leader_end_ = status;
    }
  }

  // Whether there were any.
  static bool kill_descendants() {
    const std::vector<ProcessInfo> all = descendants_of(::getpid());
    // Nobody but us waits for our descendants' pids, and none is reused before it was waited for.
    for (const ProcessInfo& info : all) {
      if (info.state != 'Z') ::kill(info.pid, SIGKILL);
    }
    return !all.empty();
  }

  const GangOptions& options_;
  const v1::Plan& plan_;
  pid_t leader_ = 0;
  std::optional<int> leader_end_;  // as waitpid gave it
  bool yield_wanted_ = false;
  bool yield_sent_ = false;
  std::optional<SteadyTime> stop_at_;
  std::string note_;
};

v1::GangRecord own_record(const fs::path& scratch) {
  v1::GangRecord record;
  record.set_pid(::getpid());
  record.set_start_ticks(start_ticks(::getpid()).value_or(0));
  record.set_boot_id(boot_id());
  record.set_host(host_name());
  record.set_started_us(now_us());
  record.set_scratch(scratch.string());
  return record;
}

v1::ExitRecord run_ranks(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch) {
  Ranks ranks(options, plan);
  if (const Status started = ranks.start(scratch); !started.ok()) {
    v1::ExitRecord record;
    record.set_code(127);
    record.set_note(started.message());
    return record;
  }
  ranks.wait();
  if (!ranks.sweep()) ranks.note("a process of the ranks could not be killed");
  return ranks.record();
}

int fail(int code, const Status& status) {
  log_error("gang cannot run", {{"reason", status.message()}});
  return code;
}

}  // namespace

int run_gang(const GangOptions& options) {
  // Before anything else: signals wait until they are asked for.
  const sigset_t set = gang_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::setsid();  // fails, rightly, when the launcher has made us a session leader
  const AttemptFolder folder(options.folder);

  Result<v1::Plan> plan = folder.read_plan();
  if (!plan.ok()) return fail(kGangNoPlan, plan.status());
  Result<std::optional<Fd>> lock = take_gang_lock(folder);
  if (!lock.ok()) return fail(kGangSystem, lock.status());
  if (!lock->has_value())
    return fail(kGangLocked, failed_precondition("another gang of this attempt is alive; this one leaves"));
  const Result<std::optional<v1::GangRecord>> earlier = folder.read_gang();
  if (!earlier.ok()) return fail(kGangSystem, earlier.status());
  if (earlier->has_value() || fs::exists(folder.exit()))
    return fail(kGangUsed, failed_precondition("this attempt has been tried already; make a new one"));

  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    return fail(kGangSystem, errno_status("becoming subreaper of", folder.root()));
  const Result<fs::path> scratch = plan->world() > 1 ? make_scratch() : Result<fs::path>(fs::path());
  if (!scratch.ok()) return fail(kGangSystem, scratch.status());
  if (const Status written = folder.write_gang(own_record(*scratch)); !written.ok())
    return fail(kGangSystem, written);

  v1::ExitRecord record = run_ranks(options, *plan, *scratch);
  std::error_code ignored;  // what cannot be removed is no reason to lose the record
  if (!scratch->empty()) fs::remove_all(*scratch, ignored);
  record.set_ended_us(now_us());
  if (const Status written = folder.write_exit(record); !written.ok()) return fail(kGangSystem, written);
  log_info("gang ended", {{"code", record.code()}, {"signal", record.signal()}, {"note", record.note()}});
  return kGangEnded;
}

int run_rank(const GangOptions& options) {
  const AttemptFolder folder(options.folder);
  // The kernel kills this process, and the trainer that it becomes, when mpirun dies.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    return fail(kGangSystem, errno_status("binding to mpirun in", folder.root()));
  const Result<bool> held = gang_lock_held(folder);
  if (!held.ok()) return fail(kGangSystem, held.status());
  if (!*held)
    return fail(kGangSystem, failed_precondition("no gang holds attempt.lock: it died, or never lived"));
  const char* number = ::getenv("OMPI_COMM_WORLD_RANK");
  if (number == nullptr)
    return fail(kGangBadUsage,
                failed_precondition("OMPI_COMM_WORLD_RANK is not set: only mpirun starts ranks"));
  // Until the trainer is ready for it, a wish to yield must not kill it.
  ::signal(SIGUSR1, SIG_IGN);
  return fail(kGangSystem, become(rank_command(options), folder.log(::atoi(number))));
}

}  // namespace rekindle::launch
