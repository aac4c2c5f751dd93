// AdamW over flat buffers, with LibTorch's fused kernel (decoupled decay; arXiv 1711.05101).
#pragma once

#include <cstdint>

#include "trainer/kinds/flat_parameters.h"

namespace rekindle::trainer {

struct AdamWOptions {
  double rate = 0.001;  // of this step
  double decay = 0.01;  // applied to matrices, not to biases
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

class AdamW {
 public:
  explicit AdamW(FlatParameters& parameters)
      : parameters_(parameters), first_(parameters.zeros()), second_(parameters.zeros()) {}

  // The `step`-th update, counted from 1.
  void update(const AdamWOptions& options, uint64_t step);

  const at::Tensor& first() const { return first_; }
  const at::Tensor& second() const { return second_; }

 private:
  FlatParameters& parameters_;
  at::Tensor first_;  // moments
  at::Tensor second_;
};

// Learning rate of a step: linear warm-up, then a cosine down to a tenth. A function of the step alone,
// so that a resumed run needs no state for it.
double scheduled_rate(double peak, uint64_t step, uint64_t steps);

}  // namespace rekindle::trainer
