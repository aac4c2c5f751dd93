// What the attempts of a run recorded (trainer/record.h), put together to what the run as a whole did.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plans.h"

namespace rekindle::trainer {

struct Epochs {
  std::map<uint64_t, std::vector<int64_t>> rows_of_step;  // over all ranks, in ascending order
  std::map<uint64_t, double> loss_of_step;
  uint64_t epochs = 0;
  std::string problem;  // a row that an epoch took twice or not at all; empty: none
};

// Attempts in their order. A step that several did counts for the last of them: it is the one whose
// parameters went on.
Epochs epochs_of(const TestRun& run, const std::vector<v1::Plan>& attempts);

}  // namespace rekindle::trainer
