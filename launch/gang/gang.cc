#include "launch/gang/gang.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/faults/crash_point.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/process.h"
#include "jobs/task.h"
#include "launch/command/identity.h"
#include "launch/command/parts.h"
#include "launch/command/script.h"
#include "launch/command/script_log.h"
#include "launch/confine/confinement.h"
#include "launch/gang/log_cap.h"
#include "launch/gang/ranks.h"
#include "launch/gang_lock.h"
#include "launch/hosts/gang_hosts.h"

namespace rekindle::launch {
namespace {

int64_t now_us() {
  return to_micros(SystemClock().wall());
}

// Shared memory where there is room for it (Open MPI's segments live there), else the disk's /tmp. Short:
// a socket's path has at most 107 characters. A script's temporary files may be large: they go to the disk.
fs::path scratch_place(bool command) {
  constexpr uint64_t kRoomBytes = 512ull << 20;
  struct statvfs shm {};
  const bool roomy = !command && ::access("/dev/shm", W_OK) == 0 && ::statvfs("/dev/shm", &shm) == 0 &&
                     static_cast<uint64_t>(shm.f_bavail) * shm.f_bsize >= kRoomBytes;
  return fmt::format("{}/rekindle-{}", roomy ? "/dev/shm" : "/tmp", random_hex(8));
}

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

v1::ExitRecord run_ranks(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                         Confinement& confinement) {
  const AttemptFolder folder(options.folder);
  const uint32_t world = std::max<uint32_t>(1, plan.world());
  const auto all_reporting = [&folder, world] {
    for (uint32_t rank = 0; rank < world; ++rank) {
      if (::access(folder.report(static_cast<int>(rank)).c_str(), F_OK) != 0) return false;
    }
    return true;
  };
  StartOfRanks start = start_of_ranks(options, plan, scratch, rank_command(options));
  const bool alone = start.alone;
  Ranks ranks(options);
  SpawnOptions spawning;
  spawning.argv = std::move(start.argv);
  spawning.environment = rank_environment(options, plan, scratch);
  spawning.output = alone ? folder.log(0) : folder.gang_log();
  spawning.die_with_parent = true;
  confinement.around(spawning, Confinement::Part::kRanks);
  if (const Status started = ranks.start(spawning); !started.ok()) {
    v1::ExitRecord record;
    record.set_code(127);
    record.set_note(started.message());
    return record;
  }
  crash_point("gang-ranks-started");
  std::vector<fs::path> logs = {folder.gang_log()};
  for (uint32_t rank = 0; rank < world; ++rank) logs.push_back(folder.log(static_cast<int>(rank)));
  LogCap cap(std::move(logs), ScriptLog::kBytesMax);
  ranks.wait({.ready = all_reporting, .ends_on_yield = false, .each_second = [&cap] { cap.look(); }});
  crash_point("gang-ranks-ended");
  confinement.sweep();
  if (!ranks.sweep()) ranks.note("a process of the ranks could not be killed");
  cap.finish();
  v1::ExitRecord record = exit_record(ranks.status());
  if (alone) {
    v1::RankExit* rank = record.add_ranks();
    rank->set_code(record.code());
    rank->set_signal(record.signal());
  }
  record.set_note(ranks.notes());
  return record;
}

v1::ExitRecord run_here(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                        bool command, Confinement& confinement) {
  return command ? run_command_parts(options, plan, scratch, confinement)
                 : run_ranks(options, plan, scratch, confinement);
}

v1::ExitRecord run_on_hosts(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                            bool command, Confinement& confinement) {
  std::optional<v1::ExitRecord> ended = prove_hosts(options, plan, scratch);
  v1::ExitRecord record = ended ? std::move(*ended) : run_here(options, plan, scratch, command, confinement);
  settle_hosts(options, plan, scratch, record);
  return record;
}

// How a plain task on this host ended is durable with the journal's word of it, before anybody is told. A
// power failure that comes before that finds it unfinished, as it would one a moment earlier.
Sync sync_of_end(const GangOptions& options, const v1::Plan& plan) {
  const bool here = options.srun.empty() && !options.hosts;
  return here && jobs::is_task(plan.spec()) ? Sync::kNo : Sync::kYes;
}

int fail(int code, const Status& status) {
  log_error("gang cannot run", {{"reason", status.message()}});
  return code;
}

}  // namespace

int run_gang(const GangOptions& given) {
  // Before anything else: signals wait until they are asked for.
  block_gang_signals();
  ::setsid();  // fails, rightly, when the launcher has made us a session leader
  const AttemptFolder folder(given.folder);

  Result<v1::Plan> plan = folder.read_plan();
  if (!plan.ok()) return fail(kGangNoPlan, plan.status());
  Result<std::optional<Fd>> lock = take_gang_lock(folder);
  if (!lock.ok()) return fail(kGangSystem, lock.status());
  if (!lock->has_value())
    return fail(kGangLocked, failed_precondition("another gang of this attempt is alive; this one leaves"));
  crash_point("gang-locked");
  const Result<std::optional<v1::GangRecord>> earlier = folder.read_gang();
  if (!earlier.ok()) return fail(kGangSystem, earlier.status());
  if (earlier->has_value() || fs::exists(folder.exit()))
    return fail(kGangUsed, failed_precondition("this attempt has been tried already; make a new one"));

  Result<std::optional<v1::HostsLaunch>> hosts = folder.read_hosts();
  if (!hosts.ok()) return fail(kGangSystem, hosts.status());
  GangOptions options = given;
  options.hosts = std::move(*hosts);
  // mpirun's agent has to reach the other hosts, whose ranks no fence of this one surrounds.
  if (options.hosts) options.confine.reset();
  const bool command = is_command(*plan);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    return fail(kGangSystem, errno_status("becoming subreaper of", folder.root()));
  // Under srun the ranks may be on other nodes, which do not see it: only a script's helpers have one.
  const bool wanted =
      (plan->world() > 1 && options.srun.empty()) || command || options.hosts || options.confine.has_value();
  // Recorded before it is made: a gang that dies in between leaves nothing that nobody knows of.
  const fs::path scratch = wanted ? scratch_place(command) : fs::path();
  // It says which processes live here. After a power failure none does, and a coordinator on this host knows
  // that by the boot id; one elsewhere needs the record itself.
  const Sync sync = options.srun.empty() ? Sync::kNo : Sync::kYes;
  if (const Status written = folder.write_gang(own_record(scratch), sync); !written.ok())
    return fail(kGangSystem, written);
  crash_point("gang-recorded");
  if (wanted && ::mkdir(scratch.c_str(), 0700) != 0)
    return fail(kGangSystem, errno_status("making a scratch folder", scratch));
  crash_point("gang-scratch-made");

  Confinement confinement = Confinement::set_up(options, *plan, scratch);
  v1::ExitRecord record = options.hosts
                              ? run_on_hosts(options, *plan, scratch, command, confinement)
                              : run_here(options, *plan, confinement.scratch(), command, confinement);
  confinement.finish();
  std::error_code ignored;  // what cannot be removed is no reason to lose the record
  if (!scratch.empty()) fs::remove_all(scratch, ignored);
  crash_point("gang-ranks-swept");
  record.set_ended_us(now_us());
  if (const Status written = folder.write_exit(record, sync_of_end(options, *plan)); !written.ok())
    return fail(kGangSystem, written);
  crash_point("gang-exit-written");
  log_info("gang ended", {{"code", record.code()}, {"signal", record.signal()}, {"note", record.note()}});
  return kGangEnded;
}

int run_rank(const GangOptions& options) {
  const AttemptFolder folder(options.folder);
  // The kernel kills this process, and the trainer that it becomes, when what started it dies.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    return fail(kGangSystem, errno_status("binding to its parent in", folder.root()));
  const Result<bool> held = gang_lock_held(folder);
  if (!held.ok()) return fail(kGangSystem, held.status());
  if (!*held)
    return fail(kGangSystem, failed_precondition("no gang holds attempt.lock: it died, or never lived"));
  const Result<v1::Plan> plan = folder.read_plan();
  if (!plan.ok()) return fail(kGangNoPlan, plan.status());
  if (is_command(*plan)) return run_script(options, WorkFolder(folder), *plan, own_environment());
  const Result<RankIdentity> place = identity_of(
      [](const char* name) -> const char* { return ::getenv(name); }, std::max<uint32_t>(1, plan->world()));
  if (!place.ok()) return fail(kGangBadUsage, place.status());
  crash_point("rank-starting");
  // Until the trainer is ready for it, a wish to yield must not kill it.
  ::signal(SIGUSR1, SIG_IGN);
  return fail(kGangSystem, become(rank_command(options), folder.log(place->rank)));
}

}  // namespace rekindle::launch
