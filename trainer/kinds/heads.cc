#include "trainer/kinds/heads.h"

#include "base/stats.h"

namespace rekindle::trainer {

int64_t head_outputs(const v1::Label&) {
  return 1;
}

at::Tensor head_loss(const v1::Label&, const at::Tensor& outputs, const at::Tensor& labels) {
  return at::binary_cross_entropy_with_logits(outputs, labels, {}, {}, at::Reduction::Sum);
}

double head_row_loss(const v1::Label&, std::span<const double> labels, std::span<const double> answers) {
  return log_loss(labels[0], answers[0]);
}

}  // namespace rekindle::trainer
