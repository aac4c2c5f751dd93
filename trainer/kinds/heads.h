// What the outputs of a module mean for each kind of label, and the loss that teaches it.
//
// A head gets raw outputs [rows, outputs] and the labels as Examples holds them, [rows, label_width] in
// float; every kind of model uses it, so that a new kind of label is written once.
#pragma once

#include <span>

#include "rekindle/v1/job.pb.h"
#include "trainer/torch.h"

namespace rekindle::trainer {

// Outputs that a module needs for this label.
int64_t head_outputs(const v1::Label& label);

// Sum of the rows' losses, a differentiable scalar.
at::Tensor head_loss(const v1::Label& label, const at::Tensor& outputs, const at::Tensor& labels);

// The loss of one row from the predictor's answers: what early stopping takes the mean of.
double head_row_loss(const v1::Label& label, std::span<const double> labels, std::span<const double> answers);

}  // namespace rekindle::trainer
