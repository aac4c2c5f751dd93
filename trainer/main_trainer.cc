// rekindle-trainer --folder ATTEMPT: one rank of a gang. All else it needs is in plan.pb; rank and world
// size come from MPI when there is more than one rank, or, on GPUs, from the launcher's environment.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "launch/watch_gang.h"
#include "trainer/gpu/gpu.h"
#include "trainer/rank.h"

namespace {

std::atomic<bool> yield_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void on_yield(int) {
  yield_asked.store(true);
}

// Ranks that never met cannot agree on a refusal: whoever sees that it cannot work writes it, and leaving
// with a failure ends the others.
int refuse(const rekindle::launch::AttemptFolder& folder, const rekindle::Status& status) {
  using namespace rekindle;
  log_error("the ranks did not come together", {{"reason", status.message()}});
  if (status.code() != Code::kFailedPrecondition) return 1;
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::SPEC_REFUSED);
  outcome.set_message(status.message());
  const Status written = folder.write_outcome(outcome);
  if (!written.ok()) log_error("the outcome cannot be written", {{"reason", written.message()}});
  return written.ok() ? launch::kExitSpecRefused : 1;
}

rekindle::Result<std::unique_ptr<rekindle::trainer::Collectives>> come_together(
    const rekindle::launch::AttemptFolder& folder, const rekindle::v1::Plan& plan) {
  using namespace rekindle::trainer;
  // Before anything else of LibTorch: its first look for a GPU is the last one.
  if (wants_gpu(plan)) return open_gpu(folder, plan);
  if (plan.world() <= 1) return lone_rank();
  return open_mpi(static_cast<int>(plan.world()));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rekindle;
  // First of all: until it is handled, the request to leave would end the process.
  struct sigaction action {};
  action.sa_handler = on_yield;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);

  CLI::App app{"One rank of a rekindle training gang; started by rekindle-gang."};
  std::string root;
  bool unsupervised = false;
  app.add_option("--folder", root, "the attempt's folder, which holds plan.pb")->required();
  auto* rows = app.add_subcommand("rows", "write a command job's rows for its script")->fallthrough();
  auto* score =
      app.add_subcommand("score", "make a version of what a command job's script left")->fallthrough();
  app.require_subcommand(0, 1);
  app.add_flag("--unsupervised", unsupervised, "run although no rekindle-gang holds the attempt's lock");
  CLI11_PARSE(app, argc, argv);
  start_logging("rekindle-trainer", LogLevel::kInfo, false);

  const launch::AttemptFolder folder{root};
  if (!unsupervised) {
    auto watched = launch::watch_gang(folder);
    if (!watched.ok()) {
      log_error("not started", {{"reason", watched.message()}});
      return launch::kExitSpecRefused;
    }
  }
  auto plan = folder.read_plan();
  if (!plan.ok()) {
    log_error("the plan cannot be read", {{"reason", plan.status().message()}});
    return launch::kExitSpecRefused;
  }
  const trainer::Part part = rows->parsed()    ? trainer::Part::kRows
                             : score->parsed() ? trainer::Part::kScore
                                               : trainer::Part::kRank;
  auto collectives = part == trainer::Part::kRank ? come_together(folder, *plan) : trainer::lone_rank();
  if (!collectives.ok()) return refuse(folder, collectives.status());
  const int code = trainer::run_rank(folder, *plan, **collectives, yield_asked, part);
  // A rank that failed must not wait for the others in MPI_Finalize: they wait for it.
  if (code == 1) _exit(code);
  collectives->reset();
  return code;
}
