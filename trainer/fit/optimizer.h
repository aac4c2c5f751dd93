// Optimizers over the flat buffers, with LibTorch's fused kernels: one call for the matrices, which decay,
// and one for the rest, which does not.
//
//   adamw    decoupled decay (arXiv 1711.05101)          adam     decay added to the gradient (1412.6980)
//   sgd      momentum, Nesterov's too, as in PyTorch     adagrad  as in PyTorch, no decay of the rate
// Beside them the clipping of gradients by their norm.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rekindle/v1/job.pb.h"
#include "trainer/kinds/flat_parameters.h"

namespace rekindle::trainer {

class Optimizer {
 public:
  Optimizer(FlatParameters& parameters, const v1::Optimizer& spec);

  // The `step`-th update, counted from 1, from the gradients as they are: first what is new about it, then
  // the work, which is the same each time.
  void set(uint64_t step, double rate);
  void apply();

  std::string kind() const;  // "adamw"
  // Its state, by the names under which a checkpoint holds it; none for SGD without momentum.
  const std::vector<std::pair<std::string, at::Tensor>>& moments() const { return moments_; }

 private:
  using Tensors = std::vector<at::Tensor>;
  struct Group {  // views of one part of the flat buffers
    Tensors values, gradients, first, second;
    double decay = 0;
  };
  void apply(const Group& group);

  v1::Optimizer spec_;
  std::vector<std::pair<std::string, at::Tensor>> moments_;
  std::vector<Group> groups_;
  at::Tensor clock_;  // on the host: step and rate, which the kernels take as tensors
  at::Tensor on_device_;
  Tensors step_;
  at::Tensor rate_;
};

// Euclidean norm of the gradients of all parameters, a scalar on their device.
at::Tensor gradient_norm(const FlatParameters& parameters);
// Scales gradients of that norm down to `most`, as torch.nn.utils.clip_grad_norm_ does.
void clip_gradients(FlatParameters& parameters, const at::Tensor& norm, double most);

}  // namespace rekindle::trainer
