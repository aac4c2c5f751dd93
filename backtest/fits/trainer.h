// Makes fits with the trainer's own code, one rank in this process, or takes them from the store.
#pragma once

#include "backtest/fits/store.h"

namespace rekindle::backtest {

struct Trained {
  v1::Outcome outcome;  // of any kind: refusals are the job's affair
  bool kept = false;    // it was made before
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
  const FitStore& store_;
  size_t made_ = 0, kept_ = 0;
};

}  // namespace rekindle::backtest
