#include "trainer/kinds/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "trainer/gpu/device.h"
#include "trainer/kinds/heads.h"

namespace rekindle::trainer {
namespace {

constexpr int64_t kMlp = 4;  // width of the MLP, in widths of the model
constexpr double kEpsilon = 1e-5;

std::string block_name(uint32_t layer) {
  return fmt::format("encoder.layers.{}.", layer);
}

Starts starts_of(const v1::Transformer& spec, int64_t answers) {
  const int64_t width = spec.width();
  const double fan = 1 / std::sqrt(static_cast<double>(width));
  // What is added to the stream is smaller the more blocks add to it.
  const double added = fan / std::sqrt(2.0 * spec.layers());
  Starts out;
  out.uniform("tokens.weight", {spec.vocabulary(), width}, fan);
  out.uniform("positions.weight", {spec.context(), width}, fan);
  const auto norm = [&](const std::string& name) {
    out.ones(name + ".weight", {width});
    out.zeros(name + ".bias", {width});
  };
  for (uint32_t layer = 0; layer < spec.layers(); ++layer) {
    const std::string name = block_name(layer);
    out.uniform(name + "self_attn.in_proj_weight", {3 * width, width}, fan);
    out.zeros(name + "self_attn.in_proj_bias", {3 * width});
    out.uniform(name + "self_attn.out_proj.weight", {width, width}, added);
    out.zeros(name + "self_attn.out_proj.bias", {width});
    out.uniform(name + "linear1.weight", {kMlp * width, width}, fan);
    out.zeros(name + "linear1.bias", {kMlp * width});
    out.uniform(name + "linear2.weight", {width, kMlp * width}, added / std::sqrt(kMlp));
    out.zeros(name + "linear2.bias", {width});
    norm(name + "norm1");
    norm(name + "norm2");
  }
  norm("encoder.norm");
  out.zeros("fc.weight", {answers, width});
  out.zeros("fc.bias", {answers});
  return out;
}

// Added to the scores of attention, [n, 1, length or 1, length]: keys that a token does not see.
at::Tensor attention_mask(const at::Tensor& lengths, int64_t length, bool causal) {
  const auto keys = at::arange(length, lengths.options());
  // A row without tokens sees its first padding: a softmax over nothing is not a number. Its answer does not
  // use it.
  auto hidden = keys.unsqueeze(0).ge(lengths.clamp_min(1).unsqueeze(1)).view({-1, 1, 1, length});
  if (causal)
    hidden = hidden.logical_or(keys.unsqueeze(0).gt(keys.unsqueeze(1)).view({1, 1, length, length}));
  return at::zeros(hidden.sizes(), lengths.options().dtype(at::kFloat))
      .masked_fill(hidden, -std::numeric_limits<float>::infinity());
}

at::Tensor normed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, kEpsilon);
}

}  // namespace

Result<std::unique_ptr<Module>> make_transformer(const v1::ModelCard& card, at::Device device) {
  const v1::Transformer& spec = card.kind().transformer();
  if (spec.vocabulary() == 0 || spec.context() == 0 || spec.width() == 0 || spec.heads() == 0 ||
      spec.width() % spec.heads() != 0)
    return invalid_argument(fmt::format("train.model.transformer: {} heads do not divide a width of {}",
                                        spec.heads(), spec.width()));
  if (!(spec.dropout() >= 0 && spec.dropout() < 1))
    return invalid_argument("train.model.transformer.dropout must be at least 0% and below 100%");
  models::Head head = TRY(models::head_of(card));
  return std::unique_ptr<Module>(std::make_unique<Transformer>(spec, std::move(head), device));
}

TokenBatch batch_tokens(const std::vector<dataio::TokenRow>& tokens, std::span<const int64_t> rows,
                        int64_t context) {
  const auto length_of = [&](int64_t row) {
    const dataio::TokenRow& list = tokens[static_cast<size_t>(row)];
    return list ? std::min(context, static_cast<int64_t>(list->size())) : int64_t{0};
  };
  const auto n = static_cast<int64_t>(rows.size());
  int64_t longest = 1;
  for (const int64_t row : rows) longest = std::max(longest, length_of(row));
  TokenBatch out{at::zeros({n, longest}, at::kLong), at::zeros({n}, at::kLong)};
  int64_t* to = out.tokens.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i, to += longest) {
    const int64_t length = length_of(rows[static_cast<size_t>(i)]);
    out.lengths.mutable_data_ptr<int64_t>()[i] = length;
    if (length > 0)
      std::copy(tokens[static_cast<size_t>(rows[static_cast<size_t>(i)])]->end() - length,
                tokens[static_cast<size_t>(rows[static_cast<size_t>(i)])]->end(), to);
  }
  return out;
}

Transformer::Transformer(const v1::Transformer& spec, models::Head head, at::Device device)
    : TensorModule(starts_of(spec, static_cast<int64_t>(head.outputs())).parameters(), device),
      spec_(spec),
      head_(std::move(head)),
      width_(spec.width()) {
  const auto leaf = [this](const std::string& name) { return parameters().leaf(name); };
  tokens_ = leaf("tokens.weight");
  positions_ = leaf("positions.weight");
  for (uint32_t layer = 0; layer < spec_.layers(); ++layer) {
    const std::string name = block_name(layer);
    Block b;
    b.in_weight = leaf(name + "self_attn.in_proj_weight");
    b.in_bias = leaf(name + "self_attn.in_proj_bias");
    b.out_weight = leaf(name + "self_attn.out_proj.weight");
    b.out_bias = leaf(name + "self_attn.out_proj.bias");
    b.up_weight = leaf(name + "linear1.weight");
    b.up_bias = leaf(name + "linear1.bias");
    b.down_weight = leaf(name + "linear2.weight");
    b.down_bias = leaf(name + "linear2.bias");
    b.norm1_weight = leaf(name + "norm1.weight");
    b.norm1_bias = leaf(name + "norm1.bias");
    b.norm2_weight = leaf(name + "norm2.weight");
    b.norm2_bias = leaf(name + "norm2.bias");
    blocks_.push_back(std::move(b));
  }
  norm_weight_ = leaf("encoder.norm.weight");
  norm_bias_ = leaf("encoder.norm.bias");
  fc_weight_ = leaf("fc.weight");
  fc_bias_ = leaf("fc.bias");
}

models::Parameters Transformer::initial(uint64_t seed, const Examples& training) const {
  return deep_initial(starts_of(spec_, static_cast<int64_t>(head_.outputs())), head_, seed, training);
}

at::Tensor Transformer::attend(const Block& block, const at::Tensor& x, const at::Tensor& mask) const {
  const int64_t n = x.size(0), length = x.size(1), heads = spec_.heads(), each = width_ / heads;
  const auto parts = at::linear(x, block.in_weight, block.in_bias)
                         .view({n, length, 3, heads, each})
                         .permute({2, 0, 3, 1, 4});  // [3, n, heads, length, each]
  const auto scores = at::matmul(parts[0], parts[1].transpose(-2, -1)) / std::sqrt(static_cast<double>(each));
  const auto seen = at::matmul(at::softmax(scores + mask, -1), parts[2]);
  return at::linear(seen.transpose(1, 2).reshape({n, length, width_}), block.out_weight, block.out_bias);
}

// Drawn by (row, position), not by the place in the padded batch: the rows beside it change nothing.
at::Tensor Transformer::mask(int64_t rows, int64_t length, const StepKey& key, uint64_t layer) const {
  auto out = at::empty({rows, length, width_}, at::kFloat);
  const auto kept = static_cast<float>(1 / (1 - spec_.dropout()));
  for (int64_t row = 0; row < rows; ++row) {
    const StepKey own{key.seed, key.step, (key.first_row + static_cast<uint64_t>(row)) * spec_.context()};
    fill_dropout_mask(own, layer, spec_.dropout(), kept, length, width_,
                      out.mutable_data_ptr<float>() + row * length * width_);
  }
  return out;
}

at::Tensor Transformer::pooled(const at::Tensor& x, const at::Tensor& lengths) const {
  const auto places = at::arange(x.size(1), lengths.options()).unsqueeze(0);
  const auto last = (lengths - 1).unsqueeze(1);
  // 1 where a token counts; a row without tokens has none and becomes 0.
  const auto counts = (spec_.causal() ? places.eq(last) : places.le(last)).to(x.dtype()).unsqueeze(2);
  const auto sum = (x * counts).sum(1);
  return spec_.causal() ? sum : sum / lengths.clamp_min(1).unsqueeze(1).to(x.dtype());
}

at::Tensor Transformer::forward(const TokenBatch& batch, std::span<const at::Tensor> masks) const {
  const int64_t length = batch.tokens.size(1);
  const auto dropped = [masks](const at::Tensor& x, size_t layer) {
    return masks.empty() ? x : x * masks[layer];
  };
  auto x = at::embedding(tokens_, batch.tokens) + positions_.narrow(0, 0, length);
  x = dropped(x, 0);
  const auto hidden = attention_mask(batch.lengths, length, spec_.causal());
  size_t layer = 0;
  for (const Block& b : blocks_) {
    x = x + dropped(attend(b, normed(x, b.norm1_weight, b.norm1_bias), hidden), ++layer);
    auto y = at::gelu(at::linear(normed(x, b.norm2_weight, b.norm2_bias), b.up_weight, b.up_bias));
    x = x + dropped(at::linear(y, b.down_weight, b.down_bias), ++layer);
  }
  return at::linear(pooled(normed(x, norm_weight_, norm_bias_), batch.lengths), fc_weight_, fc_bias_);
}

Batch Transformer::batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const {
  const TokenBatch taken = batch_tokens(examples.tokens, rows, spec_.context());
  Batch out = {taken.tokens, taken.lengths, targets_of(head_, examples, rows)};
  if (spec_.dropout() == 0) return out;
  for (uint64_t layer = 0; layer < 2 * uint64_t{spec_.layers()} + 1; ++layer)
    out.push_back(mask(taken.tokens.size(0), taken.tokens.size(1), key, layer));
  return out;
}

at::Tensor Transformer::batch_loss(const Batch& batch, double scale) const {
  return head_loss(head_, forward({batch[0], batch[1]}, std::span(batch).subspan(3)), batch[2]) * scale;
}

std::vector<double> Transformer::outputs(const Examples& examples, size_t begin, size_t end) const {
  const auto device = parameters().device();
  return answers_of(head_, device, begin, end, [&](std::span<const int64_t> rows) {
    const TokenBatch batch = batch_tokens(examples.tokens, rows, spec_.context());
    return forward({to_device(batch.tokens, device), to_device(batch.lengths, device)});
  });
}

}  // namespace rekindle::trainer
