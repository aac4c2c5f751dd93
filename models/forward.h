// The forward pass of a network over plain buffers.
//
// Every output element is summed over the inputs in ascending order, in float, without fused
// multiply-add: vector width and the rows beside it cannot change a bit.
#pragma once

#include <vector>

#include "dataio/transforms.h"
#include "models/network.h"

namespace rekindle::models {

class Forward {
 public:
  Forward(Network network, const Parameters& parameters);

  // Answers for the rows of `inputs`, whose widths are the network's: head.outputs() a row, row-major.
  std::vector<double> run(const dataio::Encoded& inputs) const;

 private:
  struct Dense {
    int64_t inputs = 0;
    int64_t outputs = 0;
    dataio::AlignedVector<float> weight;  // [inputs, padded outputs]: the transpose of the parameter
    dataio::AlignedVector<float> bias;
    int64_t padded = 0;
    bool relu = true;
  };
  void output_rows(const dataio::Encoded& inputs, size_t begin, size_t count, const float* from,
                   std::vector<float>& logits) const;
  void input_rows(const dataio::Encoded& inputs, size_t begin, size_t count, float* to) const;

  Network network_;
  std::vector<std::vector<float>> embeddings_;
  std::vector<Dense> layers_;
  int64_t width_ = 0;  // widest row of any layer, padded
};

}  // namespace rekindle::models
