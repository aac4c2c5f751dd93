#include <fmt/format.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/process.h"
#include "launch/gang/gang.h"
#include "launch/hosts/agent.h"
#include "launch/hosts/gang_hosts.h"

namespace rekindle::launch {
namespace {

// Makes mpirun's own listener, which no parameter keeps from taking every address, listen on loopback.
std::vector<std::string> on_loopback_alone(const GangOptions& options, std::vector<std::string> mpirun) {
  const fs::path library = options.self.parent_path().parent_path() / "lib" / "librekindle_loopback.so";
  if (!fs::exists(library)) {
    log_warning("mpirun listens on every address of this host: a file of the installation is missing",
                {{"file", library.string()}});
    return mpirun;
  }
  mpirun.insert(mpirun.begin(), {"env", "LD_PRELOAD=" + library.string()});
  return mpirun;
}

// What each rank runs, behind the launcher's own words.
std::vector<std::string> launching_ranks(const GangOptions& options, std::vector<std::string> launcher) {
  for (const std::string& word :
       {options.self.string(), std::string("rank"), std::string("--folder"), options.folder.string(),
        std::string("--trainer"), options.trainer.string()})
    launcher.push_back(word);
  return launcher;
}

}  // namespace

std::vector<std::string> rank_command(const GangOptions& options) {
  return {options.trainer.string(), "--folder", options.folder.string()};
}

std::vector<std::string> mpirun_command(const GangOptions& options, uint32_t world, const fs::path& scratch) {
  return launching_ranks(
      options,
      {
          "mpirun",
          "-n",
          std::to_string(world),
          // Two gangs on one host would otherwise both bind to its first cores.
          "--bind-to",
          "none",
          "--oversubscribe",
          // Ranks that wait for each other give up their core.
          "--mca",
          "mpi_yield_when_idle",
          "1",
          // One host: shared memory only; also starts in a third of the time.
          "--mca",
          "pml",
          "ob1",
          "--mca",
          "btl",
          "vader,self",
          // Open MPI's own connections stay on this host; as for its listener, see on_loopback_alone.
          "--mca",
          "oob_tcp_if_include",
          "lo",
          "--mca",
          "oob_tcp_disable_ipv6_family",
          "1",
          // What a killed mpirun leaves lies in a folder that the supervisor removes.
          "--mca",
          "orte_tmpdir_base",
          scratch.string(),
          "--mca",
          "btl_vader_backing_directory",
          scratch.string(),
          "--mca",
          "osc_sm_backing_directory",
          scratch.string(),
      });
}

std::vector<std::string> srun_command(const GangOptions& options, const v1::Plan& plan) {
  return launching_ranks(
      options, {
                   "srun",
                   fmt::format("--ntasks={}", std::max<uint32_t>(1, plan.world())),
                   // Since 22.05 srun does not take this over from the job.
                   fmt::format("--cpus-per-task={}", std::max<uint32_t>(1, plan.threads_per_rank())),
                   "--mpi=" + options.srun,
                   // As mpirun does it: one rank that fails ends the others, one that is done waits for them.
                   "--kill-on-bad-exit=1",
                   "--wait=0",
                   "--input=none",
                   "--export=ALL",
               });
}

StartOfRanks start_of_ranks(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                            std::vector<std::string> alone) {
  if (!options.srun.empty()) return {srun_command(options, plan), false};
  if (options.hosts)
    return {hosts_command(options, plan, scratch, hostfile_of(AttemptFolder(options.folder))), false};
  if (plan.world() > 1)
    return {on_loopback_alone(options, mpirun_command(options, plan.world(), scratch)), false};
  return {std::move(alone), true};
}

namespace {

// What Slurm tells of the job: srun needs it, and ranks read their place from what it makes of it.
void add_slurm(std::vector<std::string>& out) {
  const char* nodes = ::getenv("SLURM_JOB_NUM_NODES");
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::string_view(*entry).starts_with("SLURM_")) out.emplace_back(*entry);
  out.push_back("OMPI_MCA_mpi_yield_when_idle=1");
  if (nodes == nullptr || std::string_view(nodes) != "1") return;
  out.push_back("OMPI_MCA_pml=ob1");
  out.push_back("OMPI_MCA_btl=vader,self");
}

}  // namespace

std::vector<std::string> rank_environment(const GangOptions& options, const v1::Plan& plan,
                                          const fs::path& scratch) {
  std::vector<std::string> out = options.hosts ? agent_environment() : bare_environment();
  out.push_back(fmt::format("{}={}", kAttemptVariable, options.folder.string()));
  out.push_back(fmt::format("OMP_NUM_THREADS={}", std::max<uint32_t>(1, plan.threads_per_rank())));
  out.push_back("OMPI_ALLOW_RUN_AS_ROOT=1");
  out.push_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  if (!scratch.empty()) out.push_back(fmt::format("TMPDIR={}", scratch.string()));
  if (!options.srun.empty())
    add_slurm(out);
  else if (!scratch.empty())
    out.push_back("PMIX_MCA_ptl_tcp_if_include=lo");
  return out;
}

v1::ExitRecord exit_record(int status) {
  v1::ExitRecord out;
  if (WIFSIGNALED(status))
    out.set_signal(WTERMSIG(status));
  else
    out.set_code(WEXITSTATUS(status));
  return out;
}

}  // namespace rekindle::launch
