// Forward and backward of `linear` and `tabular` by hand, over plain float32 memory on the CPU: no autograd,
// no tensors, no memory to allocate once the first batch has been seen (but for the loss of labels that are
// not binary, which LibTorch differentiates). For small models those, not the sums, are what a step costs.
//
// The same arithmetic as Tabular::loss, which tests hold it against; a repeated step gives the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/network.h"
#include "trainer/kinds/dropout.h"
#include "trainer/kinds/examples.h"
#include "trainer/kinds/layout.h"

namespace rekindle::trainer {

class FusedMlp {
 public:
  // For raw outputs [rows, outputs] of the batch: the sum of its losses times a scale; fills the gradient of
  // that at the outputs.
  using Head = std::function<double(std::span<float> outputs, double scale, std::span<float> gradient)>;

  FusedMlp(const models::Network& network, const Layout& layout, Head head);

  // Adds the gradients at the rows to `gradients`, which like `values` is as the layout says; returns the
  // loss.
  double add_gradients(const float* values, float* gradients, const dataio::Encoded& encoded,
                       std::span<const int64_t> rows, const StepKey& key, double scale);

 private:
  struct Dense {
    size_t weight = 0, bias = 0;  // where they begin in the flat buffers
    int inputs = 0, outputs = 0;
    FlatBuffer in;        // [rows, inputs]: what it was given
    FlatBuffer gradient;  // [rows, outputs]: of what it gave, before the activation
  };
  void make_room(size_t rows);
  void input(const float* values, const dataio::Encoded& encoded, std::span<const int64_t> rows,
             const StepKey& key);
  void forward(const float* values, const dataio::Encoded& encoded, std::span<const int64_t> rows,
               const StepKey& key);
  void backward(const float* values, float* gradients, const dataio::Encoded& encoded,
                std::span<const int64_t> rows);
  void embed(const float* values, const dataio::Encoded& encoded, std::span<const int64_t> rows, float* out,
             int stride);

  models::Network network_;
  Head head_;
  std::vector<Dense> layers_;
  std::vector<size_t> embeddings_;  // where they begin
  FlatBuffer dropped_;              // one row of a mask
  FlatBuffer field_masks_;          // [rows, fields]
  FlatBuffer outputs_, embedded_gradient_;
  float kept_ = 1;
};

}  // namespace rekindle::trainer
