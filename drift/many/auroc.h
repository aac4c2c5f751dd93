// Area under the ROC curve: the share of pairs of a 1 and a 0 that a score puts in order, ties half.
#pragma once

#include <cstdint>
#include <span>

namespace rekindle::drift {

// Not a number where there is one label only. As many labels (0 or 1) as scores.
double auroc(std::span<const double> score, std::span<const uint8_t> labels);

}  // namespace rekindle::drift
