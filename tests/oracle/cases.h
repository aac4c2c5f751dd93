// The fits whose losses are held against PyTorch's: each kind of model, label, optimizer and schedule at
// least once.
#pragma once

#include <string>
#include <vector>

#include "dataio/table.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

struct OracleCase {
  std::string name;  // key in golden.json
  uint32_t world = 1;
  std::string train;  // proto3 JSON of what is said of train beside batch, stop and seed
  dataio::Table (*rows)(size_t) = nullptr;  // empty: as plans.h has them
  std::string data;                         // proto3 JSON of data beside time; empty: as plans.h has it
  uint32_t batch = 256;
};

const std::vector<OracleCase>& oracle_cases();

}  // namespace rekindle::trainer
