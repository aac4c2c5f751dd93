// A rank's part of a step on a GPU: one copy to it, forward, backward and the flat sum over the ranks, one
// copy back. Steps of the same shapes repeat the launch of the first ones (trainer/gpu/graph.h).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "trainer/collectives/collectives.h"
#include "trainer/gpu/graph.h"
#include "trainer/kinds/module.h"
#include "trainer/reporter.h"

namespace rekindle::trainer {

class DeviceGradients {
 public:
  // `reporter` may be absent.
  DeviceGradients(TensorModule& module, Collectives& collectives, bool autocast, Reporter* reporter,
                  MakeGraph graphs);
  ~DeviceGradients();

  // Gradients of the rows' losses times `scale`, in place of those before, and `sums` with the rows' loss
  // added to the first, which comes as 0 or as what is not a number: of all ranks. Waits for the GPU;
  // meanwhile the host makes the batch of the rows `ahead`.
  void step(const Examples& examples, const StepRows& now, const StepRows& ahead, double scale,
            std::span<double> sums);
  bool recorded() const;

 private:
  struct Shape;
  Batch batch_of(const Examples& examples, const StepRows& rows);
  Shape& shape_of(const Batch& batch, double scale);
  void work(Shape& shape, double scale);

  TensorModule& module_;
  Collectives& collectives_;
  const bool autocast_;
  Reporter* reporter_;
  MakeGraph graphs_;
  at::Tensor answer_;  // pinned: the figures of all ranks
  StepRows ahead_;     // of the batch that is made already
  Batch made_;
  std::map<std::vector<int64_t>, std::unique_ptr<Shape>> shapes_;
  std::unique_ptr<Shape> rare_;  // of more shapes than are kept, the last
};

}  // namespace rekindle::trainer
