// The loss that teaches each kind of label, as LibTorch differentiates it; models/heads.h says what outputs
// and targets are. Every kind of model uses it, so that a new kind of label is written once.
#pragma once

#include "models/heads.h"
#include "trainer/torch.h"

namespace rekindle::trainer {

// Sum of the rows' losses, a differentiable scalar. Raw outputs [rows, head.outputs()], targets [rows,
// head.target_width()] in float. LabelRule::loss of the answers, but for rounding and, of a regression,
// head.loss_unit().
at::Tensor head_loss(const models::Head& head, const at::Tensor& outputs, const at::Tensor& targets);

}  // namespace rekindle::trainer
