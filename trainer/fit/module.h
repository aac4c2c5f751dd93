// The network as LibTorch differentiates it, over flat buffers of parameters and gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/fit/dropout.h"
#include "trainer/fit/layout.h"
#include "trainer/torch.h"

namespace rekindle::trainer {

class Module {
 public:
  Module(models::Network network, const FlatBuffer& parameters);
  Module(const Module&) = delete;  // tensors look into the buffers

  // Logits [rows] of numeric [rows, n] float and categorical [rows, c] int64. Without a key nothing is
  // dropped.
  at::Tensor forward(const at::Tensor& numeric, const at::Tensor& categorical, const DropoutKey* dropout);
  // Sum of the cross-entropy over the rows, times `scale`; gradients are added to the flat buffer.
  static at::Tensor loss(const at::Tensor& logits, const at::Tensor& labels, double scale);

  const Layout& layout() const { return layout_; }
  const models::Network& network() const { return network_; }
  FlatBuffer& values() { return values_; }
  FlatBuffer& gradients() { return gradients_; }
  const std::vector<at::Tensor>& leaves() const { return leaves_; }  // in the layout's order
  void zero_gradients();

 private:
  const at::Tensor& leaf(const std::string& name) const;
  at::Tensor drop_fields(const at::Tensor& input, const DropoutKey& key);
  at::Tensor drop_units(const at::Tensor& units, const DropoutKey& key, size_t layer);

  models::Network network_;
  Layout layout_;
  FlatBuffer values_;
  FlatBuffer gradients_;
  std::vector<at::Tensor> leaves_;
  std::vector<at::Tensor> embeddings_, weights_, biases_;
  std::vector<int64_t> field_widths_;  // of the input: each number or indicator, each embedding
  FlatBuffer fields_, input_mask_;
  std::vector<FlatBuffer> masks_;  // per hidden layer
};

}  // namespace rekindle::trainer
