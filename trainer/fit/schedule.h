// The learning rate of a step, from the spec and the number of the step alone: a resumed run needs no state
// for it.
#pragma once

#include <cstdint>
#include <string>

#include "rekindle/v1/job.pb.h"

namespace rekindle::trainer {

// The rate that the spec names for its kind of optimizer, and how the field is called.
double peak_rate(const v1::Optimizer& spec);
std::string rate_field(const v1::Optimizer& spec);  // "train.optimizer.adamw.rate"

// Rate of the step that follows `step` done ones, of at most `steps`: a straight line up during warm-up, then
//   constant  peak
//   step      peak * factor^floor(step / every)
//   cosine    peak * (floor + (1 - floor) * (1 + cos(pi * way)) / 2)
//   linear    peak * (1 - (1 - floor) * way)
// where way goes from 0 at the end of the warm-up to 1 at the last step.
double scheduled_rate(const v1::Optimizer& spec, uint64_t step, uint64_t steps);

}  // namespace rekindle::trainer
