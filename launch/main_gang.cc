// rekindle-gang --folder ATTEMPT --trainer PROGRAM [--stop-grace-ms N] [--srun MPI]   supervises one attempt
// rekindle-gang rank --folder ATTEMPT --trainer PROGRAM      one rank, started by mpirun or srun
// rekindle-gang prepare --folder ATTEMPT --trainer PROGRAM   code and environment of a command job
#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "launch/command/prepare.h"
#include "launch/gang/gang.h"

namespace {

using rekindle::launch::GangOptions;

int usage() {
  std::fputs(
      "usage: rekindle-gang [rank | prepare] --folder ATTEMPT --trainer PROGRAM [--stop-grace-ms N] [--srun "
      "MPI]\n"
      "Started by rekindled, one for each attempt; see docs/architecture.md.\n",
      stderr);
  return rekindle::launch::kGangBadUsage;
}

bool parse(int argc, char** argv, int first, GangOptions* options) {
  for (int i = first; i < argc; i += 2) {
    if (i + 1 >= argc) return false;
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
    } else {
      return false;
    }
  }
  return !options->folder.empty() && !options->trainer.empty();
}

}  // namespace

int main(int argc, char** argv) {
  rekindle::start_logging("rekindle-gang", rekindle::LogLevel::kInfo, true);
  const std::string_view part = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
  GangOptions options;
  if (!parse(argc, argv, part.empty() ? 1 : 2, &options)) return usage();
  std::error_code error;
  options.folder = std::filesystem::absolute(options.folder, error);
  options.trainer = std::filesystem::absolute(options.trainer, error);
  options.self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (part == "rank") return rekindle::launch::run_rank(options);
  if (part == "prepare") return rekindle::launch::run_prepare(options);
  return part.empty() ? rekindle::launch::run_gang(options) : usage();
}
