// rekindle-gang --folder ATTEMPT --trainer PROGRAM [--stop-grace-ms N] [--srun MPI] [--confine POLICY]
//     supervises one attempt; POLICY is a ConfinePolicy in Base64
// rekindle-gang rank --folder ATTEMPT --trainer PROGRAM      one rank, started by mpirun or srun
// rekindle-gang as UID:GID PROGRAM ...                       a program of Slurm's, in somebody's name
// rekindle-gang prepare --folder ATTEMPT --trainer PROGRAM   code and environment of a command job
// rekindle-gang answer | prove | sweep ...                   on a host of a pool (launch/hosts/parts.h)
// rekindle-gang warm                                         becomes a gang when asked to (launch/warm)
#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/base64.h"
#include "base/log.h"
#include "launch/command/prepare.h"
#include "launch/gang/gang.h"
#include "launch/hosts/parts.h"
#include "launch/slurm/stand_in.h"
#include "launch/warm/warm_gangs.h"

namespace {

using rekindle::launch::GangOptions;

int usage() {
  std::fputs(
      "usage: rekindle-gang [rank | prepare] --folder ATTEMPT --trainer PROGRAM [--stop-grace-ms N] "
      "[--srun MPI] [--confine POLICY]\n"
      "Started by rekindled, one for each attempt; see docs/architecture.md.\n",
      stderr);
  return rekindle::launch::kGangBadUsage;
}

bool parse(const std::vector<std::string>& argv, size_t first, GangOptions* options) {
  for (size_t i = first; i < argv.size(); i += 2) {
    if (i + 1 >= argv.size()) return false;
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--folder") {
      options->folder = value;
    } else if (name == "--trainer") {
      options->trainer = value;
    } else if (name == "--stop-grace-ms") {
      int64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size() || number < 0) return false;
      options->stop_grace = std::chrono::milliseconds(number);
    } else if (name == "--srun") {
      options->srun = value;
    } else if (name == "--confine") {
      const auto policy = rekindle::base64_decode(value);
      if (!policy.ok() || !options->confine.emplace().ParseFromString(*policy)) return false;
    } else {
      return false;
    }
  }
  return !options->folder.empty() && !options->trainer.empty();
}

bool on_a_host(std::string_view part) {
  return part == "answer" || part == "prove" || part == "sweep";
}

bool parse_host_part(int argc, char** argv, rekindle::launch::HostPart* part) {
  part->part = argv[1];
  for (int i = 2; i < argc; i += 2) {
    if (i + 1 >= argc) return false;
    const std::string_view name = argv[i];
    if (name == "--folder")
      part->folder = argv[i + 1];
    else if (name == "--scratch")
      part->scratch = argv[i + 1];
    else if (name == "--trainer")
      part->trainer = argv[i + 1];
    else if (name == "--host")
      part->host = argv[i + 1];
    else if (name == "--nonce")
      part->nonce = argv[i + 1];
    else
      return false;
  }
  return part->part == "answer" || part->folder.is_absolute();
}

int run(std::string_view part, const std::filesystem::path& self, const std::vector<std::string>& argv) {
  GangOptions options;
  options.self = self;
  if (!parse(argv, part.empty() ? 1 : 2, &options)) return usage();
  std::error_code error;
  options.folder = std::filesystem::absolute(options.folder, error);
  options.trainer = std::filesystem::absolute(options.trainer, error);
  if (part == "rank") return rekindle::launch::run_rank(options);
  if (part == "prepare") return rekindle::launch::run_prepare(options);
  return part.empty() ? rekindle::launch::run_gang(options) : usage();
}

}  // namespace

int main(int argc, char** argv) {
  rekindle::start_logging("rekindle-gang", rekindle::LogLevel::kInfo, true);
  const std::string_view part = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
  if (part == "as" && argc > 3) return rekindle::launch::slurm::stand_in(argv[2], {argv + 3, argv + argc});
  if (on_a_host(part)) {
    rekindle::launch::HostPart here;
    return parse_host_part(argc, argv, &here) ? rekindle::launch::run_on_host(here) : usage();
  }
  std::error_code error;
  // Now: once another has taken its place on the disk, the name is another's.
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (part == "warm")
    return rekindle::launch::keep_warm(
        argc, argv, [&self](const std::vector<std::string>& words) { return run("", self, words); });
  return run(part, self, {argv, argv + argc});
}
