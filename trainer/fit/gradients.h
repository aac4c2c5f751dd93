// Brings the ranks' gradients together: c10d::Reducer, the engine of PyTorch's DDP, over our collectives.
//
// One rank alone has none: its gradients are the whole already.
#pragma once

#include <memory>

#include "trainer/collectives/collectives.h"
#include "trainer/kinds/flat_parameters.h"

namespace rekindle::trainer {

class Gradients {
 public:
  Gradients(FlatParameters& parameters, Collectives& collectives);
  ~Gradients();

  // Call around each forward; a rank without rows too. backward() returns when the mean over the ranks is
  // in the flat gradients.
  void before_forward();
  void backward(const at::Tensor& loss);

 private:
  struct Impl;
  FlatParameters& parameters_;
  std::unique_ptr<Impl> impl_;  // nothing for one rank
};

}  // namespace rekindle::trainer
