// Makes fits with the trainer's own code, one rank in this process, or takes them from the store. A job with
// a command of its own is fitted under a gang on this host, as a coordinator would have it.
#pragma once

#include "backtest/fits/store.h"
#include "launch/ending.h"

namespace rekindle::backtest {

struct Trained {
  launch::Ending ending;  // of any kind: refusals are the job's affair
  bool kept = false;      // it was made before
};

class Trainer {
 public:
  // `store` must outlive it.
  explicit Trainer(const FitStore& store) : store_(store) {}

  // `plan` as the core gives it. Fails when the trainer could not go on: another try would not help here.
  Result<Trained> fit(v1::Plan plan);

  size_t made() const { return made_; }
  size_t kept() const { return kept_; }

 private:
  Result<launch::Ending> run_script(const launch::AttemptFolder& folder, const v1::Plan& plan) const;

  const FitStore& store_;
  size_t made_ = 0, kept_ = 0;
};

}  // namespace rekindle::backtest
