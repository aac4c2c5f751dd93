#include "launch/command/script.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/files/passing_files.h"
#include "base/log.h"
#include "base/process.h"
#include "launch/command/feed.h"
#include "launch/command/identity.h"
#include "launch/command/script_log.h"
#include "launch/command/variables.h"
#include "launch/confine/confinement.h"
#include "launch/report_log.h"
#include "proto/time.h"
#include "runtime/environment.h"

namespace rekindle::launch {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr milliseconds kLook{250};  // between two looks at the script's files
constexpr milliseconds kBeat{1000};
constexpr Seconds kMeetingLimit{120};  // for rank 0 to come up
constexpr int kCommandNotFound = kExitSpecRefused;

int64_t now_us() {
  return to_micros(SystemClock().wall());
}

// Reports of one rank; one that cannot be written is lost.
class Reports {
 public:
  explicit Reports(ReportWriter writer) : writer_(std::move(writer)) {}
  void append(v1::Report report) {
    report.set_time_us(now_us());
    const Status lost = writer_.append(report);
    if (!lost.ok()) log_warning("a report is lost", {{"reason", lost.message()}});
  }
  void beat(v1::Phase phase, uint64_t step, uint64_t progress) {
    v1::Report report;
    report.mutable_beat()->set_phase(phase);
    report.mutable_beat()->set_step(step);
    report.mutable_beat()->set_progress(progress);
    append(std::move(report));
  }

 private:
  ReportWriter writer_;
};

// Where the ranks meet: rank 0 claims a port and tells the others.
Result<Meeting> meet(const WorkFolder& work, const RankIdentity& identity,
                     std::optional<ClaimedPort>& claimed) {
  const bool one_host = identity.local_world == identity.world;
  if (identity.rank == 0) {
    claimed = TRY(claim_port());
    const Meeting meeting{one_host ? "127.0.0.1" : host_name(), claimed->port};
    if (identity.world > 1) TRY_STATUS(publish_meeting(work.meeting(), meeting));
    return meeting;
  }
  const SteadyTime limit = std::chrono::steady_clock::now() + kMeetingLimit;
  for (;;) {
    Result<Meeting> meeting = read_meeting(work.meeting());
    if (meeting.ok() || meeting.status().code() != Code::kNotFound) return meeting;
    if (std::chrono::steady_clock::now() > limit)
      return unavailable("rank 0 has not said where the ranks meet; does it share this folder?");
    std::this_thread::sleep_for(milliseconds(10));
  }
}

class Script {
 public:
  Script(const GangOptions& options, const WorkFolder& work, const v1::Plan& plan,
         const RankIdentity& identity, Reports& reports, ScriptLog& log, int signals,
         std::vector<std::string> environment)
      : plan_(plan),
        environment_(std::move(environment)),
        identity_(identity),
        folder_(options.folder),
        work_(work),
        reports_(reports),
        log_(log),
        signals_(signals),
        metrics_(work_.metrics(identity.rank)),
        checkpoints_(plan.checkpoints(), plan.spec().train().checkpoints().keep()) {}

  Status start(const Meeting& meeting) {
    const auto environment = TRY(runtime::read_kept(plan_.spec().train().env(), work_.environment()));
    const auto& words = plan_.spec().train().command();
    // There before the fence is: within it this one file can be written, and no other be put in its place.
    TRY_STATUS(write_file_atomically(work_.metrics(identity_.rank), "", 0640));
    const std::function<int()> fence = TRY(fence_of_script(folder_, work_, plan_, identity_.rank));
    std::vector<std::string> variables = script_variables(plan_, work_, identity_, meeting, environment_);
    // Ranks in fences of their own cannot reach into each other's memory: Open MPI is to copy through its
    // own.
    if (fence) variables.push_back("OMPI_MCA_btl_vader_single_copy_mechanism=none");
    const runtime::Invocation made =
        runtime::invocation(environment, {words.begin(), words.end()}, std::move(variables), work_.code(),
                            {folder_.root(), fs::path(plan_.checkpoints())});
    SpawnOptions spawning{.argv = made.argv, .environment = made.environment, .output_fd = log_.write_end()};
    spawning.folder = work_.code();
    spawning.die_with_parent = true;
    spawning.enter = fence;
    spawning.in_place = true;
    script_ = TRY(spawn(spawning));
    log_.close_write_end();
    return ok_status();
  }

  // To the script's end and that of all it left behind.
  v1::RankExit run() {
    while (!status_.has_value()) {
      wait_for_something();
      if (!status_.has_value()) look();
    }
    end_leftovers();
    while (log_.take() > 0) {
    }
    look();
    const auto append = [this](v1::Report report) { reports_.append(std::move(report)); };
    metrics_.finish(append);
    log_.finish();
    return ended();
  }

  bool told_to_end() const { return told_to_end_; }

 private:
  void wait_for_something() {
    pollfd both[] = {{signals_, POLLIN, 0}, {output_open_ ? log_.read_end() : -1, POLLIN, 0}};
    if (::poll(both, 2, static_cast<int>(kLook.count())) <= 0) return;
    if (both[1].revents != 0) {
      const int64_t taken = log_.take();
      output_open_ = taken >= 0;
      progress_ += taken > 0 ? 1 : 0;
    }
    signalfd_siginfo info{};
    while (both[0].revents != 0 && ::read(signals_, &info, sizeof info) == sizeof info)
      on_signal(static_cast<int>(info.ssi_signo));
  }

  void on_signal(int signal) {
    if (signal == SIGCHLD) reap();
    if (signal == SIGUSR1) ask_to_yield();
    if (signal == SIGTERM || signal == SIGINT) {
      told_to_end_ = true;
      if (!status_.has_value()) ::kill(script_, SIGTERM);
    }
  }

  void ask_to_yield() {
    asked_ = true;
    if (!status_.has_value()) ::kill(script_, SIGUSR1);
  }

  void reap() {
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == script_) status_ = status;
    }
  }

  void look() {
    const SteadyTime now = std::chrono::steady_clock::now();
    const bool last = status_.has_value();
    if (!last && now - looked_ < kLook) return;
    looked_ = now;
    const auto append = [this](v1::Report report) { reports_.append(std::move(report)); };
    const bool first = identity_.rank == 0;
    // A script that wrote more than this in its last moments wrote no metrics.
    for (int reads = 0; reads < 64; ++reads) {
      progress_ += metrics_.read_new(first, append);
      if (!last || !metrics_.behind()) break;
    }
    if (first) progress_ += checkpoints_.look(metrics_.step(), append);
    if (last || now - beaten_ >= kBeat) {
      beaten_ = now;
      reports_.beat(last ? v1::PHASE_END : v1::PHASE_COMMAND, metrics_.step(), progress_);
    }
    const int64_t leave_us =
        plan_.leave_by_us() - from_proto(plan_.spec().train().limits().cancel_grace()).count();
    if (!last && plan_.leave_by_us() != 0 && !asked_ && now_us() >= leave_us) ask_to_yield();
  }

  // What the script left would keep its files, ports and GPUs from whoever comes next.
  void end_leftovers() {
    const SteadyTime limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
      if (childless()) return;
      const std::vector<ProcessInfo> left = descendants_of(::getpid());
      if (left.empty() || std::chrono::steady_clock::now() > limit) return;
      for (const ProcessInfo& info : left)
        if (info.state != 'Z') ::kill(info.pid, SIGKILL);
      reap();
      std::this_thread::sleep_for(milliseconds(2));
    }
  }

  v1::RankExit ended() const {
    v1::RankExit out;
    out.set_rank(identity_.rank);
    if (WIFSIGNALED(*status_))
      out.set_signal(WTERMSIG(*status_));
    else
      out.set_code(WEXITSTATUS(*status_));
    // Deaf to SIGUSR1 is one thing; to die of it, when asked, is to leave without saving.
    if (asked_ && out.signal() == SIGUSR1) {
      out.set_signal(0);
      out.set_code(kExitYielded);
      log_.say(
          "the script does not handle SIGUSR1 and was ended by it; the next attempt goes on from its last "
          "checkpoint");
    }
    if (out.code() == kExitYielded && !asked_ && identity_.rank == 0 && checkpoints_.committed() == 0) {
      log_.say("the script left with 75, though nobody asked it to and it committed no checkpoint: a crash");
      out.set_code(1);
    }
    return out;
  }

  const v1::Plan& plan_;
  const std::vector<std::string> environment_;
  const RankIdentity identity_;
  const AttemptFolder folder_;
  const WorkFolder work_;
  Reports& reports_;
  ScriptLog& log_;
  const int signals_;
  MetricsFile metrics_;
  CheckpointWatch checkpoints_;
  pid_t script_ = 0;
  std::optional<int> status_;
  bool output_open_ = true;
  bool asked_ = false;
  bool told_to_end_ = false;
  uint64_t progress_ = 1;
  SteadyTime looked_{}, beaten_{};
};

int code_of(const v1::RankExit& ended) {
  if (ended.signal() != 0) return 128 + ended.signal();
  return ended.code() == kExitYielded ? kExitFinished : ended.code();
}

Result<int> supervise(const GangOptions& options, const WorkFolder& work, const v1::Plan& plan, int signals,
                      std::vector<std::string> environment, ToldEnd* told) {
  const AttemptFolder folder(options.folder);
  const auto identity =
      TRY(identity_of([](const char* name) { return ::getenv(name); }, std::max<uint32_t>(1, plan.world())));
  Reports reports(TRY(ReportWriter::open(folder, identity.rank)));
  v1::Report started;
  started.mutable_started()->set_pid(::getpid());
  started.mutable_started()->set_host(host_name());
  started.mutable_started()->set_start_nonce(plan.start_nonce());
  reports.append(std::move(started));
  ScriptLog log = TRY(ScriptLog::open(folder.log(identity.rank)));
  std::optional<ClaimedPort> claimed;
  const Meeting meeting = TRY(meet(work, identity, claimed));
  Script script(options, work, plan, identity, reports, log, signals, std::move(environment));
  if (told == nullptr) TRY_STATUS(write_file_atomically(work.ready(identity.rank), ""));
  v1::RankExit ended;
  ended.set_rank(identity.rank);
  if (const Status running = script.start(meeting); running.ok()) {
    ended = script.run();
  } else {
    log.say(fmt::format("the command cannot be run: {}", running.message()));
    ended.set_code(kCommandNotFound);
  }
  // One that was ended because another failed is not to be blamed.
  if (script.told_to_end()) return code_of(ended);
  if (told != nullptr)
    told->tell(ended);
  else
    TRY_STATUS(write_file_atomically(work.ended(identity.rank), ended.SerializeAsString(), 0640));
  return code_of(ended);
}

}  // namespace

int run_script(const GangOptions& options, const WorkFolder& work, const v1::Plan& plan,
               std::vector<std::string> environment, ToldEnd* told) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGUSR1, SIGTERM, SIGINT}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid() || ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    log_error("a rank cannot run",
              {{"reason", errno_status("watching for signals in", options.folder).message()}});
    return kGangSystem;
  }
  const Result<int> code = supervise(options, work, plan, signals.get(), std::move(environment), told);
  if (code.ok()) return *code;
  log_error("a rank cannot run", {{"reason", code.status().message()}});
  return kGangSystem;
}

}  // namespace rekindle::launch
