// The fits of a run: as `train` itself says, then as each of train.candidates does.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

struct PlannedFit {
  uint32_t number = 0;  // of train.candidates, from 1; 0: as train itself says
  // Of a run that makes this fit and no other, but for the validation rows, which all fits of the run share.
  // So a fit has checkpoints of its own, and ends with the same bits whatever is made beside it.
  v1::Plan plan;
  // An earlier one that comes to the same rows, beginning and settings: it is not made twice. "Since the
  // newest change" is everything while none is known, and a first version has no champion to begin with.
  std::optional<uint32_t> same_as;
};

std::vector<PlannedFit> fits_of(const v1::Plan& plan);

}  // namespace rekindle::trainer
