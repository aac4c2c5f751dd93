// The kinds `linear` and `tabular`: embeddings of categories beside scaled numbers, and an MLP or a sum.
#pragma once

#include "models/network.h"
#include "trainer/kinds/fused_mlp.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {

Result<std::unique_ptr<Module>> make_tabular(const v1::ModelCard& card, at::Device device);

class Tabular final : public TensorModule {
 public:
  Tabular(models::Network network, at::Device device);

  models::Parameters initial(uint64_t seed, const Examples& training) const override;
  // Numbers, categories and targets of the rows, then what is dropped.
  Batch batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const override;
  at::Tensor batch_loss(const Batch& batch, double scale) const override;
  std::optional<double> add_gradients(const Examples& examples, std::span<const int64_t> rows,
                                      const StepKey& key, double scale) override;
  std::vector<double> outputs(const Examples& examples, size_t begin, size_t end) const override;

  // Raw outputs [rows, outputs] of numeric [rows, n] float and categorical [rows, c] int64. `masks`: one for
  // the input and one for each hidden layer, or none.
  at::Tensor forward(const at::Tensor& numeric, const at::Tensor& categorical,
                     std::span<const at::Tensor> masks = {}) const;

 private:
  at::Tensor field_mask(int64_t rows, const StepKey& key) const;

  double output_gradients(std::span<float> outputs, double scale, std::span<float> gradient);

  models::Network network_;
  std::optional<FusedMlp> fused_;  // on the CPU
  std::vector<at::Tensor> embeddings_, weights_, biases_;
  std::vector<int64_t> field_widths_;  // of the input: each number or indicator, each embedding
  FlatBuffer batch_targets_;           // of the batch under way, for fused_
};

}  // namespace rekindle::trainer
