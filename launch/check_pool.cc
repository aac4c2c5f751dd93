#include "launch/check_pool.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/ids.h"
#include "base/process.h"
#include "launch/confine/confinement.h"
#include "launch/slurm/commands.h"
#include "proto/time.h"
#include "runtime/capture.h"

namespace rekindle::launch {
namespace {

constexpr std::chrono::milliseconds kAnswerMost{10'000};

class Check {
 public:
  Check(const v1::Pool& pool, const fs::path& runs) : pool_(pool), runs_(runs) {}

  std::vector<v1::Finding> run() {
    takes_files();
    if (pool_.has_local()) local();
    if (pool_.has_slurm()) slurm();
    if (pool_.has_hosts()) hosts();
    return std::move(out_);
  }

 private:
  void add(v1::Finding::Level level, const std::string& what, const std::string& fix) {
    v1::Finding& finding = out_.emplace_back();
    finding.set_level(level);
    finding.set_what(fmt::format("pool {}: {}", pool_.name(), what));
    finding.set_fix(fix);
  }
  void ok(const std::string& what) { add(v1::Finding::OK, what, ""); }
  void warn(const std::string& what, const std::string& fix) { add(v1::Finding::WARNING, what, fix); }
  void error(const std::string& what, const std::string& fix) { add(v1::Finding::ERROR, what, fix); }

  // Attempts, and what is read and written by them, lie there.
  void takes_files() {
    const fs::path probe = runs_ / (".doctor-" + random_hex(6));
    if (const Status written = write_file_durably(probe, "doctor\n"); !written.ok())
      return error(fmt::format("attempts have no place: {}", written.message()),
                   fmt::format("make {} writable for this user, or name another with rekindled --shared",
                               runs_.string()));
    ::unlink(probe.c_str());
    ok(fmt::format("{} takes files", runs_.string()));
  }

  bool there(const std::string& program, const std::vector<std::string>& environment,
             const std::string& fix) {
    std::string_view path = "/usr/local/bin:/usr/bin:/bin";
    for (const std::string& entry : environment)
      if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
    bool found = program.find('/') != std::string::npos && ::access(program.c_str(), X_OK) == 0;
    while (!path.empty() && !found) {
      const size_t colon = std::min(path.find(':'), path.size());
      found = colon > 0 && ::access((fs::path(path.substr(0, colon)) / program).c_str(), X_OK) == 0;
      path.remove_prefix(std::min(colon + 1, path.size()));
    }
    if (!found) error(fmt::format("{} is not there", program), fix);
    return found;
  }

  void local() {
    const std::vector<Confinable::Lack> lacks = confinable().lacks();
    for (const Confinable::Lack& lack : lacks) warn(lack.what, lack.fix);
    const v1::Confine& confine = pool_.local().confine();
    if (confine.files() == v1::Confine::ALL)
      warn("runs can open every file that this user can: `confine: {files: all}` says so",
           "take it out of pools.yaml and name in `read` what runs need besides");
    for (const std::string& folder : confine.read())
      if (::access(folder.c_str(), R_OK) != 0)
        error(fmt::format("confine.read names {}, which is not there for this user", folder),
              "correct it in pools.yaml");
    if (lacks.empty() && confine.files() != v1::Confine::ALL)
      ok("runs are confined: files, memory, processes, a /tmp of their own");
    if (there("mpirun", bare_environment(), "apt install openmpi-bin; jobs with one rank run without it"))
      ok("mpirun is there");
  }

  void slurm() {
    const std::vector<std::string> environment = slurm::command_environment(pool_.slurm());
    bool all = true;
    for (const char* program : {"sbatch", "squeue", "scancel", "scontrol"})
      all &= there(program, environment,
                   "install Slurm's commands on this host (apt install slurm-client), or name their folder: "
                   "`commands:` of this pool in pools.yaml");
    if (network_filesystem(runs_).empty())
      warn(fmt::format("{} lies on a disk of this host: compute nodes see it only if they are this host",
                       runs_.string()),
           "rekindled --shared FOLDER, on storage that the nodes see under the same path");
    if (all) ask_slurm(environment);
  }

  void ask_slurm(const std::vector<std::string>& environment) {
    std::vector<std::string> argv = {"scontrol", "ping"};
    const auto answer_within =
        std::chrono::ceil<std::chrono::milliseconds>(from_proto(pool_.slurm().answer_within()));
    const runtime::Patience patience{.limit = std::min(kAnswerMost, answer_within)};
    const auto ping = runtime::capture(argv, environment, "/", {}, patience);
    if (!ping.ok() || ping->code != 0)
      return error(
          fmt::format("Slurm does not answer: {}",
                      ping.ok() ? runtime::last_lines(ping->tail, 1) : ping.status().message()),
          "see to slurmctld, or correct `config` and `commands` of this pool in pools.yaml; attempts "
          "under way are waited for meanwhile");
    ok("Slurm answers");
    const std::string& partition = pool_.slurm().partition();
    if (partition.empty()) return;
    argv = {"scontrol", "show", "partition", partition, "--oneliner"};
    const auto shown = runtime::capture(argv, environment, "/", {}, patience);
    if (!shown.ok()) return;
    if (shown->code != 0)
      return error(
          fmt::format("there is no partition {}: {}", partition, runtime::last_lines(shown->tail, 1)),
          "correct `partition` in pools.yaml; `sinfo` lists them");
    if (shown->tail.find("State=UP") == std::string::npos)
      return warn(fmt::format("partition {} is not up", partition), "ask the cluster's operators");
    ok(fmt::format("partition {} is up", partition));
  }

  void hosts() {
    bool all = there("mpirun", bare_environment(), "apt install openmpi-bin");
    if (pool_.hosts().agent_size() > 0)
      all &= there(pool_.hosts().agent(0), bare_environment(),
                   "install it (apt install openssh-client), or say another `agent` in pools.yaml");
    if (all) ok("mpirun and the agent are there");
    if (network_filesystem(runs_).empty())
      warn(fmt::format("{} lies on a disk of this host: others see it only if it is exported to them",
                       runs_.string()),
           "rekindled --shared FOLDER, on storage that the hosts see under the same path");
  }

  const v1::Pool& pool_;
  const fs::path& runs_;
  std::vector<v1::Finding> out_;
};

}  // namespace

std::vector<v1::Finding> check_pool(const v1::Pool& pool, const fs::path& runs) {
  return Check(pool, runs).run();
}

}  // namespace rekindle::launch
