#include "trainer/fit/module.h"

#include <algorithm>
#include <cmath>

namespace rekindle::trainer {
namespace {

// SplitMix64: a counter in, 64 well mixed bits out.
inline uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ull;

}  // namespace

void fill_dropout_mask(const DropoutKey& key, uint64_t layer, double share, int64_t rows, int64_t width, float* mask) {
  // Four units share one draw of 64 bits: 16 bits resolve the share to 0.0015 %.
  const auto threshold = static_cast<uint32_t>(std::lround(share * 65536.0));
  const float kept = static_cast<float>(65536.0 / (65536.0 - threshold));
  const uint64_t base = mix(mix(mix(key.seed + kGolden) + key.step * kGolden) + layer * kGolden);
  const uint64_t draws = static_cast<uint64_t>(width + 3) / 4;
  for (int64_t r = 0; r < rows; ++r) {
    const uint64_t row = (key.first_row + static_cast<uint64_t>(r)) * draws;
    float* out = mask + r * width;
    for (uint64_t d = 0; d < draws; ++d) {
      uint64_t bits = mix(base + (row + d) * kGolden);
      const int64_t begin = static_cast<int64_t>(d) * 4;
      const int64_t end = std::min<int64_t>(begin + 4, width);
      for (int64_t u = begin; u < end; ++u, bits >>= 16) out[u] = (bits & 0xffff) < threshold ? 0.0f : kept;
    }
  }
}

Module::Module(models::Network network, const FlatBuffer& parameters)
    : network_(std::move(network)), layout_(network_), values_(parameters), gradients_(layout_.zeros()) {
  CHECK(values_.size() == layout_.size(), "parameters of another network");
  for (const auto& p : layout_.placed()) {
    auto value = at::from_blob(values_.data() + p.begin, p.parameter.shape, at::kFloat);
    value.set_requires_grad(true);
    value.mutable_grad() = at::from_blob(gradients_.data() + p.begin, p.parameter.shape, at::kFloat);
    leaves_.push_back(value);
  }
  for (const auto& e : network_.embeddings) embeddings_.push_back(leaf(e.parameter));
  for (const auto& l : network_.layers) {
    weights_.push_back(leaf(l.weight));
    biases_.push_back(leaf(l.bias));
  }
  masks_.resize(network_.layers.size() - 1);
}

const at::Tensor& Module::leaf(const std::string& name) const {
  for (size_t i = 0; i < leaves_.size(); ++i) {
    if (layout_.placed()[i].parameter.name == name) return leaves_[i];
  }
  CHECK(false, "no parameter of that name");
  __builtin_unreachable();
}

void Module::zero_gradients() { std::fill(gradients_.begin(), gradients_.end(), 0.0f); }

at::Tensor Module::forward(const at::Tensor& numeric, const at::Tensor& categorical, const DropoutKey* dropout) {
  const int64_t rows = numeric.size(0);
  std::vector<at::Tensor> embedded;
  for (size_t c = 0; c < embeddings_.size(); ++c) {
    embedded.push_back(at::embedding(embeddings_[c], categorical.select(1, static_cast<int64_t>(c))));
  }
  if (network_.additive) {
    auto logit = at::linear(numeric, weights_[0], biases_[0]);
    for (const auto& e : embedded) logit = logit + e;
    return logit.squeeze(1);
  }
  embedded.insert(embedded.begin(), numeric);
  auto x = at::cat(embedded, 1);
  for (size_t l = 0; l + 1 < weights_.size(); ++l) {
    x = at::relu(at::linear(x, weights_[l], biases_[l]));
    if (dropout == nullptr || network_.dropout == 0) continue;
    const int64_t width = network_.layers[l].outputs;
    auto& mask = masks_[l];
    mask.resize(std::max<size_t>(mask.size(), static_cast<size_t>(rows * width)));
    fill_dropout_mask(*dropout, l, network_.dropout, rows, width, mask.data());
    x = x * at::from_blob(mask.data(), {rows, width}, at::kFloat);
  }
  return at::linear(x, weights_.back(), biases_.back()).squeeze(1);
}

at::Tensor Module::loss(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  return at::binary_cross_entropy_with_logits(logits, labels, {}, {}, at::Reduction::Sum) * scale;
}

}  // namespace rekindle::trainer
