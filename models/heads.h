// What a network's raw outputs mean for each kind of label: the one place that trainer and predictor share.
//
// A network gives `outputs()` raw numbers (logits) a row. The head turns them into answers: probabilities
// by sigmoid (binary, multilabel) or softmax (multiclass), or a value in the label's own unit (regression,
// whose logit is the standardised value). What a label is, and the losses, are dataio/labels.h's.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "dataio/labels.h"
#include "dataio/transforms.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::models {

struct Head {
  dataio::LabelRule rule;
  double mean = 0, scale = 1;  // regression: label = mean + scale * logit

  size_t outputs() const { return rule.outputs(); }
  // Answers of rows of logits, both row-major; each row by itself.
  void answer(std::span<const float> logits, std::span<double> answers) const;

  // What a loss is computed against, in float: the label itself, its standardised value, or 0 and 1 for each
  // of many labels.
  size_t target_width() const { return rule.kind() == v1::Label::MULTILABEL ? outputs() : 1; }
  void target(double label, std::span<float> out) const;
  // Of some rows, [rows.size(), target_width] row-major; `out` is overwritten: a vector is made to fit, its
  // memory reused, a span must.
  void targets(std::span<const double> labels, std::span<const int64_t> rows,
               dataio::AlignedVector<float>& out) const;
  void targets(std::span<const double> labels, std::span<const int64_t> rows, std::span<float> out) const;

  // A loss over targets, times this, is in the unit of LabelRule::loss: what people are shown.
  double loss_unit() const { return scale * scale; }

  // Where the biases of the raw outputs begin: every row is answered with `constant`
  // (LabelRule::constant_answer of the training labels).
  std::vector<float> initial_bias(std::span<const double> constant) const;
};

// By the card's label and its fitted transform; a card without a label is binary. Refuses
// (invalid_argument) classes or a transform that cannot be.
Result<Head> head_of(const v1::ModelCard& card);

// Mean and scale of a regression's training labels; nothing to fit for other kinds.
v1::NumericTransform fit_label(const v1::Label& label, std::span<const double> labels);

}  // namespace rekindle::models
