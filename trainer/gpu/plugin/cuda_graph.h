// A Graph by CUDA, with LibTorch's memory for what is made while it is recorded.
#pragma once

#pragma push_macro("CHECK")
#undef CHECK
#include <ATen/cuda/CUDAGraph.h>
#undef CHECK
#pragma pop_macro("CHECK")

#include "trainer/gpu/graph.h"

namespace rekindle::trainer {

class CudaGraph final : public Graph {
 public:
  void record(const std::function<void()>& work) override;
  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

}  // namespace rekindle::trainer
