#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/process.h"
#include "launch/gang/gang.h"

namespace rekindle::launch {

std::vector<std::string> rank_command(const GangOptions& options) {
  return {options.trainer.string(), "--folder", options.folder.string()};
}

std::vector<std::string> mpirun_command(const GangOptions& options, uint32_t world, const fs::path& scratch) {
  return {
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
      // Open MPI's own connections stay on this host (its listener still binds to every address).
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
      options.self.string(),
      "rank",
      "--folder",
      options.folder.string(),
      "--trainer",
      options.trainer.string(),
  };
}

std::vector<std::string> rank_environment(const GangOptions& options, const v1::Plan& plan,
                                          const fs::path& scratch) {
  std::vector<std::string> out = bare_environment();
  out.push_back(fmt::format("{}={}", kAttemptVariable, options.folder.string()));
  out.push_back(fmt::format("OMP_NUM_THREADS={}", std::max<uint32_t>(1, plan.threads_per_rank())));
  out.push_back("OMPI_ALLOW_RUN_AS_ROOT=1");
  out.push_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  if (!scratch.empty()) {
    out.push_back(fmt::format("TMPDIR={}", scratch.string()));
    out.push_back("PMIX_MCA_ptl_tcp_if_include=lo");
  }
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
