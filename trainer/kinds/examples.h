// Rows as the kinds take them: every rank holds all of a window's rows, in the order of their event time.
//
// A kind reads what its inputs are made of and nothing else; the loop reads `rows` alone.
#pragma once

#include <vector>

#include "dataio/transforms.h"

namespace rekindle::trainer {

struct Examples {
  dataio::Encoded encoded;     // numbers and categories: linear, tabular
  std::vector<double> labels;  // [rows, label_width], row-major; what they mean is the label kind's
  size_t label_width = 1;

  size_t rows() const { return labels.size() / label_width; }
};

}  // namespace rekindle::trainer
