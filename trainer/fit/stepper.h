// One optimizer step of a rank: its part of a batch forward and backward, in parts when the spec says so, the
// gradients of all ranks, then the update. The loop around it decides what comes after.
//
// Knows nothing of epochs, time, files or the plan: a test drives it with weights and batches of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "trainer/fit/gradients.h"
#include "trainer/fit/optimizer.h"
#include "trainer/gpu/graph.h"
#include "trainer/reporter.h"

namespace rekindle::trainer {

// What one rank wants and all do in the same step.
struct Wishes {
  bool leave = false;  // save and leave
  bool save = false;   // a checkpoint is due
  bool end = false;    // time is up: the fit ends here
};

class Stepper {
 public:
  // `steps` is the most that the run can take. `reporter` may be absent. `graphs`: of a GPU, or empty.
  Stepper(Module& module, Collectives& collectives, const v1::Train& spec, uint64_t steps,
          Reporter* reporter = nullptr, const MakeGraph& graphs = {});

  // The rows of a batch that this rank takes.
  std::span<const int64_t> part(std::span<const int64_t> batch) const;

  struct Sums {
    double loss = 0;  // over all rows of the batch
    Wishes wishes;
  };
  // Gradients of the mean loss over `batch`, whose rows all ranks name alike; `step` steps are done.
  // Parameters do not change. `next`: the batch of the step after, if it is known. `poison` makes the loss
  // NaN, for tests.
  Sums gradients(const Examples& examples, std::span<const int64_t> batch, uint64_t step, const Wishes& mine,
                 std::span<const int64_t> next = {}, bool poison = false);
  // The (step + 1)-th update from them, and the average of the parameters after it. With `measure` the norm
  // of the gradients is known afterwards; when they are clipped it always is.
  void update(uint64_t step, bool measure = false);

  double rate() const { return rate_; }  // of the last update
  double norm() const { return norm_; }  // before clipping
  const Gradients& reduction() const { return gradients_; }
  const Optimizer& optimizer() const { return optimizer_; }
  // The average over steps; not defined unless the spec asks for it.
  const at::Tensor& average() const { return average_; }
  // What is judged and published: the average where there is one, else the parameters.
  const at::Tensor& judged() const { return average_.defined() ? average_ : module_.parameters().values(); }

 private:
  StepRows rows_of(std::span<const int64_t> batch, uint64_t step) const;
  void apply();
  void phase(v1::Phase phase) {
    if (reporter_ != nullptr) reporter_->phase(phase);
  }

  Module& module_;
  Collectives& collectives_;
  const v1::Train spec_;
  const uint64_t steps_;
  Reporter* reporter_;
  Gradients gradients_;
  Optimizer optimizer_;
  at::Tensor average_;
  double rate_ = 0;
  double norm_ = 0;
  at::Tensor gradient_norm_;  // of the last update, when they are clipped
  Repeated launch_;
};

}  // namespace rekindle::trainer
