// The kind `transformer`: blocks of attention and MLP over tokens, named as PyTorch's nn.TransformerEncoder
// (norm first, GELU) names them.
//
// An encoder answers from the mean over a row's tokens; a decoder (causal), in which a token sees those
// before it alone, from its last one. A row without tokens is answered by the bias. Rows are padded to the
// longest of the batch, which no answer depends on: padding is neither seen nor counted, and dropout is drawn
// by position.
#pragma once

#include "models/heads.h"
#include "trainer/kinds/module.h"
#include "trainer/kinds/starts.h"

namespace rekindle::trainer {

Result<std::unique_ptr<Module>> make_transformer(const v1::ModelCard& card, at::Device device);

// Some rows' tokens, the last `context` of each, padded with token 0.
struct TokenBatch {
  at::Tensor tokens;   // [n, length] int64
  at::Tensor lengths;  // [n] int64
};
TokenBatch batch_tokens(const std::vector<dataio::TokenRow>& tokens, std::span<const int64_t> rows,
                        int64_t context);

class Transformer final : public TensorModule {
 public:
  Transformer(const v1::Transformer& spec, models::Head head, at::Device device);

  models::Parameters initial(uint64_t seed, const Examples& training) const override;
  // Tokens, lengths and targets, then what is dropped.
  Batch batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const override;
  at::Tensor batch_loss(const Batch& batch, double scale) const override;
  std::vector<double> outputs(const Examples& examples, size_t begin, size_t end) const override;

  // Raw outputs [n, head.outputs()]. `masks`, [n, length, width] each: one for what goes into the blocks and
  // two for each block, or none.
  at::Tensor forward(const TokenBatch& batch, std::span<const at::Tensor> masks = {}) const;

 private:
  struct Block {
    at::Tensor in_weight, in_bias, out_weight, out_bias;  // attention: queries, keys and values in one
    at::Tensor up_weight, up_bias, down_weight, down_bias;
    at::Tensor norm1_weight, norm1_bias, norm2_weight, norm2_bias;
  };
  at::Tensor attend(const Block& block, const at::Tensor& x, const at::Tensor& mask) const;
  at::Tensor mask(int64_t rows, int64_t length, const StepKey& key, uint64_t layer) const;
  at::Tensor pooled(const at::Tensor& x, const at::Tensor& lengths) const;

  v1::Transformer spec_;
  models::Head head_;
  int64_t width_;
  at::Tensor tokens_, positions_, norm_weight_, norm_bias_, fc_weight_, fc_bias_;
  std::vector<Block> blocks_;
};

}  // namespace rekindle::trainer
