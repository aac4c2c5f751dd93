#include "trainer/fit/module.h"

#include <algorithm>
#include <cmath>

namespace rekindle::trainer {
namespace {

constexpr uint64_t kInputLayer = ~uint64_t{0};

void make_room(FlatBuffer& buffer, int64_t elements) {
  if (buffer.size() < static_cast<size_t>(elements)) buffer.resize(static_cast<size_t>(elements));
}

}  // namespace

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
  field_widths_.assign(static_cast<size_t>(network_.numeric), 1);
  for (const auto& e : network_.embeddings) field_widths_.push_back(e.width);
}

const at::Tensor& Module::leaf(const std::string& name) const {
  for (size_t i = 0; i < leaves_.size(); ++i) {
    if (layout_.placed()[i].parameter.name == name) return leaves_[i];
  }
  CHECK(false, "no parameter of that name");
  __builtin_unreachable();
}

void Module::zero_gradients() {
  std::fill(gradients_.begin(), gradients_.end(), 0.0f);
}

at::Tensor Module::forward(const at::Tensor& numeric, const at::Tensor& categorical,
                           const DropoutKey* dropout) {
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
  const bool drops = dropout != nullptr && network_.dropout > 0;
  auto x = at::cat(embedded, 1);
  if (drops) x = drop_fields(x, *dropout);
  for (size_t l = 0; l + 1 < weights_.size(); ++l) {
    x = at::relu(at::linear(x, weights_[l], biases_[l]));
    if (drops) x = drop_units(x, *dropout, l);
  }
  return at::linear(x, weights_.back(), biases_.back()).squeeze(1);
}

// A dropped field says what a missing or unknown one says: zero, the mean. What is kept is not scaled up,
// for in service all fields are there. So no single column can carry a prediction by itself, and one
// that moves out of its range drags it less.
at::Tensor Module::drop_fields(const at::Tensor& input, const DropoutKey& key) {
  const int64_t rows = input.size(0), width = input.size(1);
  const auto fields = static_cast<int64_t>(field_widths_.size());
  make_room(fields_, rows * fields);
  make_room(input_mask_, rows * width);
  fill_dropout_mask(key, kInputLayer, network_.dropout, 1.0f, rows, fields, fields_.data());
  float* out = input_mask_.data();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t f = 0; f < fields; ++f) {
      out = std::fill_n(out, field_widths_[static_cast<size_t>(f)],
                        fields_[static_cast<size_t>(r * fields + f)]);
    }
  }
  return input * at::from_blob(input_mask_.data(), {rows, width}, at::kFloat);
}

at::Tensor Module::drop_units(const at::Tensor& units, const DropoutKey& key, size_t layer) {
  const int64_t rows = units.size(0), width = units.size(1);
  make_room(masks_[layer], rows * width);
  const auto kept = static_cast<float>(1 / (1 - network_.dropout));
  fill_dropout_mask(key, layer, network_.dropout, kept, rows, width, masks_[layer].data());
  return units * at::from_blob(masks_[layer].data(), {rows, width}, at::kFloat);
}

at::Tensor Module::loss(const at::Tensor& logits, const at::Tensor& labels, double scale) {
  return at::binary_cross_entropy_with_logits(logits, labels, {}, {}, at::Reduction::Sum) * scale;
}

}  // namespace rekindle::trainer
