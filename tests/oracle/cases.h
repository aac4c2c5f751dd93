// The fits whose losses are held against PyTorch's: each kind of model, optimizer and schedule at least once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

struct OracleCase {
  std::string name;  // key in golden.json
  uint32_t world = 1;
  std::string train;  // proto3 JSON merged into the plan's train spec
};

const std::vector<OracleCase>& oracle_cases();

}  // namespace rekindle::trainer
