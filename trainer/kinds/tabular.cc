#include "trainer/kinds/tabular.h"

#include <algorithm>
#include <cmath>

#include "models/forward.h"
#include "trainer/gpu/device.h"
#include "trainer/kinds/heads.h"
#include "trainer/kinds/starts.h"

namespace rekindle::trainer {
namespace {

void make_room(FlatBuffer& buffer, int64_t elements) {
  if (buffer.size() < static_cast<size_t>(elements)) buffer.resize(static_cast<size_t>(elements));
}

}  // namespace

Result<std::unique_ptr<Module>> make_tabular(const v1::ModelCard& card, at::Device device) {
  auto network = TRY(models::network_of(card));
  return std::unique_ptr<Module>(std::make_unique<Tabular>(std::move(network), device));
}

Tabular::Tabular(models::Network network, at::Device device)
    : Module(network.parameters(), device), network_(std::move(network)) {
  for (const auto& e : network_.embeddings) embeddings_.push_back(parameters().leaf(e.parameter));
  for (const auto& l : network_.layers) {
    weights_.push_back(parameters().leaf(l.weight));
    biases_.push_back(parameters().leaf(l.bias));
  }
  masks_.resize(network_.layers.size() - 1);
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

at::Tensor Tabular::loss(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                         double scale) {
  dataio::gather(examples.encoded, rows, batch_);
  const auto n = static_cast<int64_t>(rows.size());
  auto numeric =
      at::from_blob(batch_.numeric.data(), {n, static_cast<int64_t>(batch_.numeric_width)}, at::kFloat);
  auto categorical = at::from_blob(batch_.categorical.data(),
                                   {n, static_cast<int64_t>(batch_.categorical_width)}, at::kLong);
  const auto device = parameters().device();
  auto outputs = forward(to_device(numeric, device), to_device(categorical, device), &key).to(at::kFloat);
  return head_loss(network_.head, outputs, targets_of(network_.head, examples, rows, device)) * scale;
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
                            const StepKey* dropout) {
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
  const bool drops = dropout != nullptr && network_.dropout > 0;
  auto x = at::cat(embedded, 1);
  if (drops) x = drop_fields(x, *dropout);
  for (size_t l = 0; l + 1 < weights_.size(); ++l) {
    x = at::relu(at::linear(x, weights_[l], biases_[l]));
    if (drops) x = drop_units(x, *dropout, l);
  }
  return at::linear(x, weights_.back(), biases_.back());
}

// A dropped field says what a missing or unknown one says: zero, the mean. What is kept is not scaled up,
// for in service all fields are there. So no single column can carry a prediction by itself, and one
// that moves out of its range drags it less.
at::Tensor Tabular::drop_fields(const at::Tensor& input, const StepKey& key) {
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
  return input * to_device(at::from_blob(input_mask_.data(), {rows, width}, at::kFloat), input.device());
}

at::Tensor Tabular::drop_units(const at::Tensor& units, const StepKey& key, size_t layer) {
  const int64_t rows = units.size(0), width = units.size(1);
  make_room(masks_[layer], rows * width);
  const auto kept = static_cast<float>(1 / (1 - network_.dropout));
  fill_dropout_mask(key, layer, network_.dropout, kept, rows, width, masks_[layer].data());
  return units * to_device(at::from_blob(masks_[layer].data(), {rows, width}, at::kFloat), units.device());
}

}  // namespace rekindle::trainer
