#include "backtest/fits/trainer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

#include "launch/attempt_folder.h"
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

}  // namespace

Result<Trained> Trainer::fit(v1::Plan plan) {
  plan.set_threads_per_rank(1);
  const std::string key = fit_key(plan);
  if (std::optional<v1::Outcome> known = TRY(store_.find(key))) {
    ++kept_;
    return Trained{std::move(*known), true};
  }
  const Scratch scratch(store_.scratch() / fmt::format("fit-{}", getpid()));
  const launch::AttemptFolder folder(scratch.path() / "attempt");
  plan.set_artifacts(store_.artifacts_folder().string());
  plan.set_checkpoints((scratch.path() / "checkpoints").string());
  plan.set_environments((scratch.path() / "environments").string());
  TRY_STATUS(folder.create(plan, launch::Sync::kNo));
  const auto rank = trainer::lone_rank();
  const std::atomic<bool> never{false};
  const int code = trainer::run_rank(folder, plan, *rank, never);
  std::optional<v1::Outcome> outcome = TRY(folder.read_outcome());
  if (!outcome)
    return internal_error(
        fmt::format("a fit of {} left with code {}; what it said stands above", plan.run(), code));
  ++made_;
  if (outcome->kind() == v1::Outcome::FINISHED) TRY_STATUS(store_.keep(key, *outcome));
  return Trained{std::move(*outcome), false};
}

}  // namespace rekindle::backtest
