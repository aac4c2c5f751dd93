// What every part of a rank's work is handed.
#pragma once

#include <atomic>

#include "artifacts/store.h"
#include "launch/attempt_folder.h"
#include "rekindle/v1/attempt.pb.h"
#include "trainer/collectives/collectives.h"
#include "trainer/fault.h"
#include "trainer/reporter.h"

namespace rekindle::trainer {

// Where a fit stands in its run.
struct FitPlace {
  uint32_t fit = 0, fits = 0;  // from 1; 0: the run makes one alone
  uint64_t steps_before = 0;   // of the fits before it
};

struct Context {
  const v1::Plan& plan;
  const launch::AttemptFolder& folder;
  artifacts::Store& store;
  Collectives& collectives;
  Reporter& reporter;
  const Faults& faults;
  const std::atomic<bool>& yield;  // somebody asked this rank to leave
  FitPlace place;

  bool first() const { return collectives.rank() == 0; }
  // A folder of this rank alone, which need not be there yet.
  fs::path scratch() const { return folder.root() / ("rank-" + std::to_string(collectives.rank())); }
};

}  // namespace rekindle::trainer
