#include "backtest/fits/trainer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>

#include "launch/attempt_folder.h"
#include "launch/command/work_folder.h"
#include "launch/local.h"
#include "trainer/collectives/collectives.h"
#include "trainer/rank.h"

namespace rekindle::backtest {
namespace {

// The attempt's folder of one fit, gone with it.
class Scratch {
 public:
  explicit Scratch(fs::path path) : path_(std::move(path)) { clear(); }
  ~Scratch() { clear(); }
  Scratch(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  void clear() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path path_;
};

launch::Ending run_here(const launch::AttemptFolder& folder, const v1::Plan& plan) {
  const auto rank = trainer::lone_rank();
  const std::atomic<bool> never{false};
  launch::GangState state;
  state.kind = launch::GangState::kEnded;
  state.exit.emplace().set_code(trainer::run_rank(folder, plan, *rank, never));
  return launch::ending_of(folder, state, 1);
}

}  // namespace

// The clock of a script is ours: from its rows being written to its version being scored.
Result<launch::Ending> Trainer::run_script(const launch::AttemptFolder& folder, const v1::Plan& plan) const {
  launch::LauncherOptions options;
  options.hidden = {store_.folder()};
  const auto start = std::chrono::steady_clock::now();
  const launch::GangState state = TRY(launch::run_gang_here(options, folder));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  launch::Ending ending = launch::ending_of(folder, state, 1);
  if (ending.outcome) ending.outcome->set_train_seconds(took.count());
  return ending;
}

Result<Trained> Trainer::fit(v1::Plan plan) {
  plan.set_threads_per_rank(1);
  const std::string key = fit_key(plan);
  if (std::optional<v1::Outcome> known = TRY(store_.find(key))) {
    ++kept_;
    return Trained{{v1::END_FINISHED, known->message(), std::move(*known), {}, {}}, true};
  }
  const Scratch scratch(store_.scratch() / fmt::format("fit-{}", getpid()));
  const launch::AttemptFolder folder(scratch.path() / "attempt");
  plan.set_artifacts(store_.artifacts_folder().string());
  plan.set_checkpoints((scratch.path() / "checkpoints").string());
  plan.set_environments(store_.environments().string());
  TRY_STATUS(folder.create(plan, launch::Sync::kNo));
  launch::Ending ending = launch::is_command(plan) ? TRY(run_script(folder, plan)) : run_here(folder, plan);
  ++made_;
  if (ending.end == v1::END_FINISHED) TRY_STATUS(store_.keep(key, *ending.outcome));
  return Trained{std::move(ending), false};
}

}  // namespace rekindle::backtest
