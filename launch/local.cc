#include "launch/local.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/base64.h"
#include "base/faults/crash_point.h"
#include "base/process.h"
#include "jobs/pools/pools.h"
#include "jobs/task.h"
#include "launch/confine/confinement.h"
#include "launch/gang/gang.h"
#include "launch/gang_lock.h"
#include "launch/warm/warm_gangs.h"
#include "runtime/capture.h"
#include "runtime/environment.h"

namespace rekindle::launch {
namespace {

fs::path sibling(std::string_view program) {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path() / program;
}

Status check_program(const fs::path& program) {
  return ::access(program.c_str(), X_OK) == 0 ? ok_status() : errno_status("finding the program", program);
}

std::string attempt_entry(const AttemptFolder& folder) {
  return fmt::format("{}={}", kAttemptVariable, fs::absolute(folder.root()).string());
}

Status check_programs(const LauncherOptions& options, const v1::Plan& plan) {
  TRY_STATUS(check_program(options.gang_program));
  return jobs::is_task(plan.spec()) ? ok_status() : check_program(options.trainer_program);
}

v1::Confine default_confine() {
  return jobs::default_pools().pools(0).local().confine();
}

v1::ConfinePolicy policy_of(const LauncherOptions& options, const v1::Confine& confine,
                            const v1::ConfineHost& host, const v1::Plan& plan) {
  v1::ConfinePolicy out;
  *out.mutable_confine() = confine;
  *out.mutable_host() = host;
  for (const fs::path& folder : options.hidden) out.add_hidden(folder.string());
  const uint64_t each = plan.spec().train().ranks().memory();
  out.set_memory(each > 0 ? each * std::max<uint32_t>(1, plan.world()) : confine.memory());
  if (out.memory() > 0)
    out.set_memory_field(each > 0 ? "train.ranks.memory" : "confine.memory of this pool in pools.yaml");
  return out;
}

SpawnOptions gang_of(const LauncherOptions& options, const AttemptFolder& folder,
                     const v1::ConfinePolicy& policy) {
  SpawnOptions out;
  out.argv = {options.gang_program.string(),
              "--folder",
              fs::absolute(folder.root()).string(),
              "--trainer",
              options.trainer_program.string(),
              "--stop-grace-ms",
              std::to_string(options.stop_grace.count()),
              "--confine",
              base64_encode(policy.SerializeAsString())};
  out.environment = runtime::host_environment();
  out.output = folder.gang_log();
  return out;
}

class LocalLauncher final : public Launcher {
 public:
  explicit LocalLauncher(LauncherOptions options)
      : options_(with_programs(std::move(options))), warm_(options_.gang_program) {}

  Status start(const AttemptFolder& folder) override {
    const v1::Plan plan = TRY(folder.read_plan());
    TRY_STATUS(check_programs(options_, plan));
    if (fs::exists(folder.gang()) || fs::exists(folder.exit()) || TRY(gang_lock_held(folder)))
      return ok_status();
    // Two starts at once both come here; of their gangs one gets the lock and the other leaves.
    look_at_host();
    SpawnOptions spawning = gang_of(options_, folder, policy_of(options_, confine(), host_, plan));
    spawning.new_session = true;
    crash_point("local-starting");
    if (!warm_.start(spawning.argv, spawning.output)) TRY(spawn(spawning));
    return ok_status();
  }

  void use(const v1::PoolsFile& pools) override {
    bool here = false;
    {
      std::lock_guard lock(mutex_);
      for (const v1::Pool& pool : pools.pools()) {
        here = here || pool.has_local();
        if (pool.has_local()) confine_ = pool.local().confine();
      }
    }
    if (!here) return;
    look_at_host();
    if (options_.warm) warm_.begin();
  }

  Status signal(const AttemptFolder& folder, Signal signal) override {
    const std::optional<v1::GangRecord> gang = TRY(read_own_gang(folder));
    if (!gang.has_value())
      return not_found(fmt::format("no gang has started in {} yet", folder.root().string()));
    if (gang->boot_id() != boot_id()) return ok_status();  // ended with the host
    signal_process(gang->pid(), gang->start_ticks(), number_of(signal));
    // A supervisor that was stopped must run to carry it out.
    if (signal == Signal::kKill) signal_process(gang->pid(), gang->start_ticks(), SIGCONT);
    return ok_status();
  }

  Result<GangState> probe(const AttemptFolder& folder) override {
    GangState state;
    state.exit = TRY(whole_exit(folder));
    state.gang = TRY(read_own_gang(folder));
    if (state.exit.has_value()) {
      state.kind = GangState::kEnded;
      return state;
    }
    if (TRY(gang_lock_held(folder))) {
      state.kind = GangState::kAlive;
      return state;
    }
    if (!state.gang.has_value()) return state;  // not started
    // It may have ended between the first look and the second.
    state.exit = TRY(whole_exit(folder));
    if (state.exit.has_value()) {
      state.kind = GangState::kEnded;
      return state;
    }
    return after_lost_lock(folder, std::move(state));
  }

 private:
  // Once: it takes some milliseconds.
  void look_at_host() {
    std::call_once(looked_, [this] { host_ = as_message(confinable()); });
  }

  v1::Confine confine() {
    std::lock_guard lock(mutex_);
    return confine_;
  }

  // It is not synced: one that a power failure tore is of a gang that this host's end took along.
  static Result<std::optional<v1::GangRecord>> read_own_gang(const AttemptFolder& folder) {
    Result<std::optional<v1::GangRecord>> gang = folder.read_gang();
    if (gang.status().code() == Code::kDataLoss) return std::optional<v1::GangRecord>(v1::GangRecord());
    return gang;
  }

  static int number_of(Signal signal) {
    switch (signal) {
      case Signal::kYield:
        return SIGUSR1;
      case Signal::kStop:
        return SIGTERM;
      case Signal::kKill:
        return SIGQUIT;
    }
    CHECK(false, "unknown signal");
  }

  // The lock is free and nothing says how the gang ended. Lost, once it and its ranks are proved gone.
  static Result<GangState> after_lost_lock(const AttemptFolder& folder, GangState state) {
    const v1::GangRecord& gang = *state.gang;
    const bool same_boot = gang.boot_id() == boot_id();
    if (same_boot && start_ticks(gang.pid()) == gang.start_ticks()) {
      state.kind = GangState::kAlive;  // between its lock and its end, or its lock file was tampered with
      state.detail = "the lock is free though the gang lives";
      return state;
    }
    if (same_boot && (!end_groups_of(folder) || kill_remains(folder))) {
      state.kind = GangState::kAlive;
      state.detail = "the gang is gone; its ranks are being ended";
      return state;
    }
    if (!gang.scratch().empty() && gang.scratch().find("/rekindle-") != std::string::npos) {
      std::error_code ignored;
      fs::remove_all(gang.scratch(), ignored);
    }
    state.kind = GangState::kLost;
    state.detail =
        same_boot
            ? fmt::format("supervisor {} is gone, its lock is free, and it left no exit record", gang.pid())
            : "the host has been restarted since";
    return state;
  }

  // False when something in them is not dead yet.
  static bool end_groups_of(const AttemptFolder& folder) {
    const std::optional<v1::Confinement> record = read_confinement(folder);
    return !record || end_groups(*record);
  }

  // Whether there were any. The kernel kills ranks when their parent dies; this is for one that is stopped
  // half-way, and the proof that none is left.
  static bool kill_remains(const AttemptFolder& folder) {
    const std::vector<pid_t> remains = processes_with_environment(attempt_entry(folder));
    for (const pid_t pid : remains) signal_process(pid, start_ticks(pid), SIGKILL);
    return !remains.empty();
  }

  const LauncherOptions options_;
  WarmGangs warm_;
  std::once_flag looked_;
  v1::ConfineHost host_;
  std::mutex mutex_;
  v1::Confine confine_ = default_confine();
};

}  // namespace

LauncherOptions with_programs(LauncherOptions options) {
  if (options.gang_program.empty()) options.gang_program = sibling("rekindle-gang");
  if (options.trainer_program.empty()) options.trainer_program = sibling("rekindle-trainer");
  return options;
}

std::unique_ptr<Launcher> make_local_launcher(LauncherOptions options) {
  return std::make_unique<LocalLauncher>(std::move(options));
}

Result<GangState> run_gang_here(const LauncherOptions& given, const AttemptFolder& folder) {
  const LauncherOptions options = with_programs(given);
  const v1::Plan plan = TRY(folder.read_plan());
  TRY_STATUS(check_programs(options, plan));
  SpawnOptions spawning =
      gang_of(options, folder, policy_of(options, default_confine(), as_message(confinable()), plan));
  spawning.die_with_parent = true;
  const pid_t gang = TRY(spawn(spawning));
  while (::waitpid(gang, nullptr, 0) < 0 && errno == EINTR) continue;
  GangState state = TRY(LocalLauncher(options).probe(folder));
  if (state.kind == GangState::kEnded || state.kind == GangState::kLost) return state;
  const Result<std::string> log = read_file(folder.gang_log());
  return internal_error(fmt::format("the gang of {} could not run: {}", folder.root().string(),
                                    log.ok() ? runtime::last_lines(*log, 2) : log.status().message()));
}

}  // namespace rekindle::launch
