// How good answers were, over the rows whose label is known. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "dataio/labels.h"

namespace rekindle::dataio::history {

// Over labelled rows that were answered. NaN where it is not defined.
struct Figures {
  uint64_t rows = 0;
  double loss = 0;   // mean of the label kind's: log-loss or squared error
  double score = 0;  // AUROC (binary), accuracy (classes), mean absolute error (regression)
};
// Answers are row-major; rows whose label or answer is NaN are left out.
Figures figures_of(const LabelRule& rule, std::span<const double> labels, std::span<const double> answers);

}  // namespace rekindle::dataio::history
