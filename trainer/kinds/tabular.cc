#include "trainer/kinds/tabular.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/forward.h"
#include "trainer/kinds/heads.h"
#include "trainer/kinds/starts.h"

namespace rekindle::trainer {
namespace {

template <typename T>
at::Tensor tensor_over(const std::shared_ptr<dataio::Encoded>& rows, dataio::AlignedVector<T>& values,
                       size_t width, at::ScalarType type) {
  return at::from_blob(
      values.data(), {static_cast<int64_t>(rows->rows), static_cast<int64_t>(width)}, [rows](void*) {}, type);
}

}  // namespace

Result<std::unique_ptr<Module>> make_tabular(const v1::ModelCard& card, at::Device device) {
  auto network = TRY(models::network_of(card));
  return std::unique_ptr<Module>(std::make_unique<Tabular>(std::move(network), device));
}

Tabular::Tabular(models::Network network, at::Device device)
    : TensorModule(network.parameters(), device), network_(std::move(network)) {
  for (const auto& e : network_.embeddings) embeddings_.push_back(parameters().leaf(e.parameter));
  for (const auto& l : network_.layers) {
    weights_.push_back(parameters().leaf(l.weight));
    biases_.push_back(parameters().leaf(l.bias));
  }
  field_widths_.assign(static_cast<size_t>(network_.numeric), 1);
  for (const auto& e : network_.embeddings) field_widths_.push_back(e.width);
  if (!device.is_cpu()) return;
  fused_.emplace(network_, layout(),
                 [this](std::span<float> outputs, double scale, std::span<float> gradient) {
                   return output_gradients(outputs, scale, gradient);
                 });
}

models::Parameters Tabular::initial(uint64_t seed, const Examples& training) const {
  return models::initial_parameters(network_, seed, network_.head.rule.constant_answer(training.labels));
}

Batch Tabular::batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const {
  const auto taken = std::make_shared<dataio::Encoded>(dataio::gather(examples.encoded, rows));
  Batch out = {tensor_over(taken, taken->numeric, taken->numeric_width, at::kFloat),
               tensor_over(taken, taken->categorical, taken->categorical_width, at::kLong),
               targets_of(network_.head, examples, rows)};
  if (network_.additive || network_.dropout <= 0) return out;
  const auto n = static_cast<int64_t>(rows.size());
  out.push_back(field_mask(n, key));
  const auto kept = static_cast<float>(1 / (1 - network_.dropout));
  for (size_t layer = 0; layer + 1 < network_.layers.size(); ++layer) {
    const auto width = static_cast<int64_t>(network_.layers[layer].outputs);
    out.push_back(at::empty({n, width}, at::kFloat));
    fill_dropout_mask(key, layer, network_.dropout, kept, n, width, out.back().mutable_data_ptr<float>());
  }
  return out;
}

at::Tensor Tabular::batch_loss(const Batch& batch, double scale) const {
  const auto outputs = forward(batch[0], batch[1], std::span(batch).subspan(3));
  return head_loss(network_.head, outputs.to(at::kFloat), batch[2]) * scale;
}

std::optional<double> Tabular::add_gradients(const Examples& examples, std::span<const int64_t> rows,
                                             const StepKey& key, double scale) {
  if (!fused_) return std::nullopt;
  network_.head.targets(examples.labels, rows, batch_targets_);
  return fused_->add_gradients(parameters().values().data_ptr<float>(),
                               parameters().gradients().data_ptr<float>(), examples.encoded, rows, key,
                               scale);
}

// Of binary labels by their formula, of others as LibTorch differentiates their loss.
double Tabular::output_gradients(std::span<float> outputs, double scale, std::span<float> gradient) {
  if (network_.head.rule.binary()) {
    const auto factor = static_cast<float>(scale);
    double loss = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const float logit = outputs[i], label = batch_targets_[i];
      const float small = std::exp(-std::abs(logit));
      const float sigmoid = (logit < 0 ? small : 1) / (1 + small);
      loss += std::max(logit, 0.0f) - logit * label + std::log1p(small);
      gradient[i] = (sigmoid - label) * factor;
    }
    return loss * scale;
  }
  const auto width = static_cast<int64_t>(network_.head.target_width());
  const auto rows = static_cast<int64_t>(batch_targets_.size()) / width;
  auto leaf =
      at::from_blob(outputs.data(), {rows, static_cast<int64_t>(network_.head.outputs())}, at::kFloat);
  leaf.set_requires_grad(true);
  leaf.mutable_grad() = at::from_blob(gradient.data(), leaf.sizes(), at::kFloat).zero_();
  auto loss =
      head_loss(network_.head, leaf, at::from_blob(batch_targets_.data(), {rows, width}, at::kFloat)) * scale;
  loss.backward();
  return loss.item<double>();
}

std::vector<double> Tabular::outputs(const Examples& examples, size_t begin, size_t end) const {
  const models::Forward forward(network_, layout().named(parameters().host()));
  return forward.run(dataio::slice(examples.encoded, begin, end));
}

at::Tensor Tabular::forward(const at::Tensor& numeric, const at::Tensor& categorical,
                            std::span<const at::Tensor> masks) const {
  std::vector<at::Tensor> embedded;
  for (size_t c = 0; c < embeddings_.size(); ++c) {
    embedded.push_back(at::embedding(embeddings_[c], categorical.select(1, static_cast<int64_t>(c))));
  }
  if (network_.additive) {
    auto logit = at::linear(numeric, weights_[0], biases_[0]);
    for (const auto& e : embedded) logit = logit + e;
    return logit;
  }
  embedded.insert(embedded.begin(), numeric);
  auto x = embedded.size() == 1 ? numeric : at::cat(embedded, 1);
  if (!masks.empty()) x = x * masks[0];
  for (size_t l = 0; l + 1 < weights_.size(); ++l) {
    x = at::relu(at::linear(x, weights_[l], biases_[l]));
    if (!masks.empty()) x = x * masks[l + 1];
  }
  return at::linear(x, weights_.back(), biases_.back());
}

// A dropped field says what a missing or unknown one says: zero, the mean. What is kept is not scaled up,
// for in service all fields are there. So no single column can carry a prediction by itself, and one
// that moves out of its range drags it less.
at::Tensor Tabular::field_mask(int64_t rows, const StepKey& key) const {
  const auto fields = static_cast<int64_t>(field_widths_.size());
  FlatBuffer drawn(static_cast<size_t>(rows * fields));
  fill_dropout_mask(key, kInputLayer, network_.dropout, 1.0f, rows, fields, drawn.data());
  const int64_t width = std::accumulate(field_widths_.begin(), field_widths_.end(), int64_t{0});
  auto mask = at::empty({rows, width}, at::kFloat);
  float* out = mask.mutable_data_ptr<float>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t f = 0; f < fields; ++f)
      out =
          std::fill_n(out, field_widths_[static_cast<size_t>(f)], drawn[static_cast<size_t>(r * fields + f)]);
  }
  return mask;
}

}  // namespace rekindle::trainer
