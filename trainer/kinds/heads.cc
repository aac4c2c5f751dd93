#include "trainer/kinds/heads.h"

namespace rekindle::trainer {

at::Tensor head_loss(const models::Head& head, const at::Tensor& outputs, const at::Tensor& targets) {
  switch (head.rule.kind()) {
    case v1::Label::MULTICLASS:
      return at::cross_entropy_loss(outputs, targets.squeeze(1).to(at::kLong), {}, at::Reduction::Sum);
    case v1::Label::REGRESSION:
      return at::mse_loss(outputs, targets, at::Reduction::Sum);
    case v1::Label::MULTILABEL:
      return at::binary_cross_entropy_with_logits(outputs, targets, {}, {}, at::Reduction::Sum) /
             static_cast<double>(head.outputs());
    default:
      return at::binary_cross_entropy_with_logits(outputs, targets, {}, {}, at::Reduction::Sum);
  }
}

}  // namespace rekindle::trainer
