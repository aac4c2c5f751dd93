#include "launch/slurm/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/process.h"
#include "base/text/shell.h"
#include "launch/slurm/answers.h"
#include "proto/time.h"

namespace rekindle::launch::slurm {
namespace {

constexpr Micros kMinute = std::chrono::minutes(1);

void add(std::vector<std::string>& argv, std::string_view option, const std::string& value) {
  if (!value.empty()) argv.push_back(fmt::format("--{}={}", option, value));
}

uint64_t megabytes(uint64_t bytes) {
  return std::max<uint64_t>(1, (bytes + (1u << 20) - 1) >> 20);
}

}  // namespace

std::string comment_of(const v1::Plan& plan) {
  return fmt::format("rekindle:{}/{}:{}", plan.run(), plan.attempt(), plan.start_nonce());
}

TimeLimit time_limit(const v1::SlurmPool& pool, const v1::Plan& plan) {
  TimeLimit out;
  const v1::Limits& limits = plan.spec().train().limits();
  const Micros attempt = plan.task() == v1::Plan::TRAIN ? from_proto(limits.attempt()) : Micros(0);
  out.limit = pool.has_time() ? from_proto(pool.time()) : attempt;
  if (attempt > Micros(0)) out.limit = std::min(out.limit, attempt);
  if (out.limit == Micros(0)) return out;
  // Slurm counts in minutes.
  out.limit = (out.limit + kMinute - Micros(1)) / kMinute * kMinute;
  const Micros wanted = std::max(from_proto(pool.notice()), from_proto(limits.cancel_grace()));
  out.notice = std::min(wanted, out.limit / 2);
  return out;
}

std::vector<std::string> submit_command(const Submission& s) {
  const v1::SlurmPool& pool = s.pool;
  const uint32_t world = std::max<uint32_t>(1, s.plan.world());
  std::vector<std::string> argv = {
      "sbatch", "--parsable", "--job-name=rekindle",
      // An attempt is tried once; what follows it is a new one, which goes on from the checkpoint.
      "--no-requeue",
      // The environment is bare already, and NONE would run the user's login shell on the node.
      "--export=ALL", "--input=/dev/null", "--open-mode=append", "--chdir=/"};
  add(argv, "comment", comment_of(s.plan));
  add(argv, "output", (s.folder / "log-gang.txt").string());
  add(argv, "ntasks", std::to_string(world));
  add(argv, "cpus-per-task", std::to_string(pool.cpus()));
  if (pool.nodes() > 0) add(argv, "nodes", fmt::format("1-{}", std::min(pool.nodes(), world)));
  const uint64_t asked = s.plan.spec().train().ranks().memory();
  if (const uint64_t memory = asked > 0 ? asked : pool.memory(); memory > 0)
    add(argv, "mem-per-cpu", fmt::format("{}M", megabytes(memory / std::max(1u, pool.cpus()))));
  if (s.plan.gpus_per_rank() > 0)
    add(argv, "gpus-per-task",
        pool.gpu() == "any" ? std::to_string(s.plan.gpus_per_rank())
                            : fmt::format("{}:{}", pool.gpu(), s.plan.gpus_per_rank()));
  add(argv, "partition", pool.partition());
  add(argv, "account", pool.account());
  add(argv, "qos", pool.qos());
  add(argv, "constraint", pool.constraint());
  add(argv, "gres", pool.gres());
  add(argv, "reservation", pool.reservation());
  if (const TimeLimit time = time_limit(pool, s.plan); time.limit > Micros(0)) {
    add(argv, "time", std::to_string(time.limit / kMinute));
    add(argv, "signal", fmt::format("B:USR1@{}", std::max<int64_t>(1, time.notice / Seconds(1))));
  }
  for (const std::string& word :
       {s.script.string(), s.gang.string(), std::string("--folder"), s.folder.string(),
        std::string("--trainer"), s.trainer.string(), std::string("--stop-grace-ms"),
        std::to_string(s.stop_grace.count()), std::string("--srun"), pool.mpi()})
    argv.push_back(word);
  return argv;
}

std::vector<std::string> list_command() {
  return {"squeue", "--noheader", "--states=all", "--me", fmt::format("--format={}", kListingFormat)};
}

std::vector<std::string> show_command(uint64_t job) {
  return {"scontrol", "show", "job", "--oneliner", std::to_string(job)};
}

std::vector<std::string> accounting_command(uint64_t job) {
  return {"sacct",          "--allocations", "--noheader",       "--parsable2",
          "--format=State", "--jobs",        std::to_string(job)};
}

std::vector<std::string> cancel_command(uint64_t job) {
  return {"scancel", std::to_string(job)};
}

std::vector<std::string> signal_command(uint64_t job, std::string_view signal) {
  return {"scancel", "--batch", fmt::format("--signal={}", signal), std::to_string(job)};
}

std::string launch_text(const Submission& submission) {
  std::vector<std::string> words;
  for (const std::string& word : submit_command(submission)) words.push_back(shell_quoted(word));
  return fmt::format("{}\n\n{}:\n{}", fmt::join(words, " \\\n  "), submission.script.string(), kTemplate);
}

std::vector<std::string> command_environment(const v1::SlurmPool& pool) {
  std::vector<std::string> out = bare_environment();
  if (!pool.commands().empty()) {
    for (std::string& entry : out)
      if (entry.starts_with("PATH=")) entry = fmt::format("PATH={}:{}", pool.commands(), entry.substr(5));
  }
  if (!pool.config().empty()) out.push_back("SLURM_CONF=" + pool.config());
  return out;
}

}  // namespace rekindle::launch::slurm
