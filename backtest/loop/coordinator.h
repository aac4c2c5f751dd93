// The coordinator of a backtest: the core's state in memory, and its effects done at once, one after the
// other.
//
// What the daemon does with threads, a journal, gangs and an API is done here in a row, in the order on which
// a replay's determinism rests: the clock moves, days settle, slots are judged, then what is wanted is done
// until nothing more is. One node that is always ready stands for all serving nodes.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "backtest/fits/trainer.h"
#include "core/decide.h"
#include "core/wanted.h"
#include "events/round.h"

namespace rekindle::backtest {

// What became of a run's fit.
struct RunFit {
  v1::Plan plan;  // as the core gave it
  v1::Outcome outcome;
  bool kept = false;
};

class Coordinator {
 public:
  // `wall` stands still, as far after the history as a daemon's wall clock is. All outlive it.
  Coordinator(const FitStore& store, events::EventStore& events, Trainer& trainer, Time wall);

  const core::State& state() const { return state_; }
  const v1::ModelState& model() const;
  const std::map<std::string, RunFit>& fits() const { return fits_; }  // by run

  // The job, its data and version 1. failed_precondition says why there is no version 1.
  Status begin(const v1::JobSpec& resolved, const std::vector<v1::DatasetSnapshot>& snapshots);
  // A replay session takes the model's clock.
  Status begin_replay(int64_t clock_us, Micros run_takes);
  // Everything that the clock settles, seals, judges and sets off.
  Status advance(int64_t clock_us);
  // A fit as of a time that publishes nothing, on the rows that a run of then would have chosen.
  Result<const v1::Run*> fit_as_of(int64_t as_of_us);

  // How many recorded answers the node gave by each version, for the rollout's view.
  void note_answers(uint64_t version, uint64_t requests) { answered_[version] += requests; }

 private:
  Result<core::Decision> submit(const core::Command& command);
  Status judge();
  int64_t change_known(int64_t as_of_us) const;
  Status rest();  // does what is wanted until nothing more is
  Status launch(const core::WritePlanAndLaunch& launch);
  Status verify(const core::VerifyArtifacts& verify);
  registry::ServingView view() const;
  Result<uint64_t> canary_answers() const;

  const FitStore& store_;
  events::EventStore& events_;
  Trainer& trainer_;
  core::State state_;
  core::World world_;
  events::Profiles profiles_;
  std::string name_;
  std::map<std::string, RunFit> fits_;
  std::map<uint64_t, uint64_t> answered_;
  std::map<int64_t, int64_t> changes_;  // by the clock: when the world was from then on taken to have changed
};

}  // namespace rekindle::backtest
