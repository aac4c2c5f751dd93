// The parameters of a kind with how each begins, and what kinds of deep networks share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/heads.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {

struct Start {
  models::Parameter parameter;
  enum class Kind { kZero, kOne, kUniform } kind = Kind::kZero;
  double bound = 0;  // kUniform: within (-bound, bound)
};

class Starts {
 public:
  void zeros(std::string name, std::vector<int64_t> shape);
  void ones(std::string name, std::vector<int64_t> shape);
  // Uniform with this standard deviation.
  void uniform(std::string name, std::vector<int64_t> shape, double deviation);

  std::vector<models::Parameter> parameters() const;
  // From counters of (seed, name, element): the same whatever the world size.
  models::Parameters values(uint64_t seed) const;

 private:
  std::vector<Start> starts_;
};

// Initial parameters of a network whose last layer is "fc": it begins with the constant answer.
models::Parameters deep_initial(const Starts& starts, const models::Head& head, uint64_t seed,
                                const Examples& training);

// Answers to rows [begin, end) from `logits` of some of them, [rows, head.outputs()]. On the CPU each row by
// itself, so that its bits do not depend on the rows beside it; a GPU, which answers nobody but the fit's own
// validation, gets many at once.
std::vector<double> answers_of(const models::Head& head, at::Device device, size_t begin, size_t end,
                               const std::function<at::Tensor(std::span<const int64_t> rows)>& logits);

// Targets of some rows, on the host: [rows, head.target_width()].
at::Tensor targets_of(const models::Head& head, const Examples& examples, std::span<const int64_t> rows);

}  // namespace rekindle::trainer
