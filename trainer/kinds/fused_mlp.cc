#include "trainer/kinds/fused_mlp.h"

#include <algorithm>

#include "base/check.h"

// BLAS, which LibTorch brings along: its tensor operations cost as much again as these small products.
extern "C" void sgemm_(const char* transposed_a, const char* transposed_b, const int* m, const int* n,
                       const int* k, const float* alpha, const float* a, const int* lda, const float* b,
                       const int* ldb, const float* beta, float* c, const int* ldc);

#define REKINDLE_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))

namespace rekindle::trainer {
namespace {

// Row-major c[m, n] = a[m, k] b[k, n] + beta c; a transposed operand is stored the other way round. BLAS
// counts columns first: it is asked for the transpose.
void multiply(bool ta, bool tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
              float beta, float* c, int ldc) {
  const float one = 1;
  sgemm_(tb ? "T" : "N", ta ? "T" : "N", &n, &m, &k, &one, b, &ldb, a, &lda, &beta, c, &ldc);
}

REKINDLE_CLONES void add_bias(float* __restrict out, const float* __restrict bias, int64_t rows,
                              int64_t width) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; ++i) out[r * width + i] += bias[i];
}

REKINDLE_CLONES void add_bias_and_relu(float* __restrict out, const float* __restrict bias, int64_t rows,
                                       int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < width; ++i) {
      const float x = out[r * width + i] + bias[i];
      out[r * width + i] = x < 0 ? 0 : x;  // what is not a number stays so
    }
  }
}

REKINDLE_CLONES void scale_by(float* __restrict out, const float* __restrict mask, int64_t width) {
  for (int64_t i = 0; i < width; ++i) out[i] *= mask[i];
}

// Through dropout and ReLU: what is zero was dropped or cut off, the rest was scaled.
REKINDLE_CLONES void through_activation(float* __restrict gradient, const float* __restrict activation,
                                        float kept, int64_t count) {
  for (int64_t i = 0; i < count; ++i) gradient[i] = activation[i] > 0 ? gradient[i] * kept : 0;
}

REKINDLE_CLONES void add_columns(const float* __restrict rows, int64_t count, int64_t width,
                                 float* __restrict to) {
  for (int64_t r = 0; r < count; ++r)
    for (int64_t i = 0; i < width; ++i) to[i] += rows[r * width + i];
}

void room(FlatBuffer& buffer, size_t elements) {
  if (buffer.size() < elements) buffer.resize(elements);
}

}  // namespace

FusedMlp::FusedMlp(const models::Network& network, const Layout& layout, Head head)
    : network_(network), head_(std::move(head)) {
  auto begin = [&](const std::string& name) {
    const Placed* placed = layout.find(name);
    CHECK(placed != nullptr, "no parameter of that name");
    return placed->begin;
  };
  for (const auto& l : network.layers) {
    Dense dense;
    dense.weight = begin(l.weight);
    dense.bias = begin(l.bias);
    dense.inputs = static_cast<int>(l.inputs);
    dense.outputs = static_cast<int>(l.outputs);
    layers_.push_back(std::move(dense));
  }
  for (const auto& e : network.embeddings) embeddings_.push_back(begin(e.parameter));
  if (!network.additive && network.dropout > 0) kept_ = static_cast<float>(1 / (1 - network.dropout));
}

void FusedMlp::make_room(size_t rows) {
  size_t widest = 0;
  for (auto& l : layers_) {
    room(l.in, rows * static_cast<size_t>(l.inputs));
    room(l.gradient, rows * static_cast<size_t>(l.outputs));
    widest = std::max({widest, static_cast<size_t>(l.inputs), static_cast<size_t>(l.outputs)});
  }
  room(dropped_, widest);
  room(field_masks_, rows * (static_cast<size_t>(network_.numeric) + embeddings_.size()));
  room(outputs_, rows * static_cast<size_t>(layers_.back().outputs));
  room(embedded_gradient_, rows * static_cast<size_t>(layers_.front().inputs));
}

double FusedMlp::add_gradients(const float* values, float* gradients, const dataio::Encoded& encoded,
                               std::span<const int64_t> rows, const StepKey& key, double scale) {
  make_room(rows.size());
  input(values, encoded, rows, key);
  forward(values, encoded, rows, key);
  const size_t count = rows.size() * static_cast<size_t>(layers_.back().outputs);
  const double loss =
      head_(std::span(outputs_).first(count), scale, std::span(layers_.back().gradient).first(count));
  backward(values, gradients, encoded, rows);
  return loss;
}

void FusedMlp::embed(const float* values, const dataio::Encoded& encoded, std::span<const int64_t> rows,
                     float* out, int stride) {
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t* index =
        encoded.categorical.data() + static_cast<size_t>(rows[r]) * encoded.categorical_width;
    float* to = out + r * static_cast<size_t>(stride);
    for (size_t c = 0; c < embeddings_.size(); ++c) {
      const auto width = network_.embeddings[c].width;
      to = std::copy_n(values + embeddings_[c] + index[c] * width, width, to);
    }
  }
}

// Rows of the first layer's input; with dropout whole fields of it are zero (tabular.cc says why).
void FusedMlp::input(const float* values, const dataio::Encoded& encoded, std::span<const int64_t> rows,
                     const StepKey& key) {
  auto& first = layers_.front();
  const auto numeric = encoded.numeric_width;
  const auto stride = static_cast<size_t>(first.inputs);
  float* in = first.in.data();
  for (size_t r = 0; r < rows.size(); ++r)
    std::copy_n(encoded.numeric.data() + static_cast<size_t>(rows[r]) * numeric, numeric, in + r * stride);
  if (network_.additive) return;
  embed(values, encoded, rows, in + numeric, first.inputs);
  if (network_.dropout <= 0) return;
  const size_t fields = numeric + embeddings_.size();
  fill_dropout_mask(key, kInputLayer, network_.dropout, 1.0f, static_cast<int64_t>(rows.size()),
                    static_cast<int64_t>(fields), field_masks_.data());
  for (size_t r = 0; r < rows.size(); ++r) {
    const float* mask = field_masks_.data() + r * fields;
    float* row = in + r * stride;
    scale_by(row, mask, static_cast<int64_t>(numeric));
    row += numeric;
    for (size_t c = 0; c < embeddings_.size(); ++c) {
      const auto width = network_.embeddings[c].width;
      if (mask[numeric + c] == 0) std::fill_n(row, width, 0.0f);
      row += width;
    }
  }
}

void FusedMlp::forward(const float* values, const dataio::Encoded& encoded, std::span<const int64_t> rows,
                       const StepKey& key) {
  const auto n = static_cast<int>(rows.size());
  for (size_t l = 0; l < layers_.size(); ++l) {
    auto& layer = layers_[l];
    const bool last = l + 1 == layers_.size();
    float* out = last ? outputs_.data() : layers_[l + 1].in.data();
    const int width = layer.outputs;
    if (layer.inputs > 0) {
      multiply(false, true, n, width, layer.inputs, layer.in.data(), layer.inputs, values + layer.weight,
               layer.inputs, 0, out, width);
    } else {
      std::fill_n(out, static_cast<size_t>(n) * static_cast<size_t>(width), 0.0f);
    }
    if (last) {
      add_bias(out, values + layer.bias, n, width);
      break;
    }
    add_bias_and_relu(out, values + layer.bias, n, width);
    if (network_.dropout <= 0) continue;
    StepKey row = key;
    for (int r = 0; r < n; ++r, ++row.first_row) {
      fill_dropout_mask(row, l, network_.dropout, kept_, 1, width, dropped_.data());
      scale_by(out + static_cast<size_t>(r) * static_cast<size_t>(width), dropped_.data(), width);
    }
  }
  if (!network_.additive) return;
  const auto width = static_cast<size_t>(layers_.back().outputs);
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t* index =
        encoded.categorical.data() + static_cast<size_t>(rows[r]) * encoded.categorical_width;
    for (size_t c = 0; c < embeddings_.size(); ++c) {
      const float* from = values + embeddings_[c] + static_cast<size_t>(index[c]) * width;
      for (size_t i = 0; i < width; ++i) outputs_[r * width + i] += from[i];
    }
  }
}

void FusedMlp::backward(const float* values, float* gradients, const dataio::Encoded& encoded,
                        std::span<const int64_t> rows) {
  const auto n = static_cast<int>(rows.size());
  for (size_t l = layers_.size(); l-- > 0;) {
    auto& layer = layers_[l];
    const float* gradient = layer.gradient.data();
    if (layer.inputs > 0) {
      multiply(true, false, layer.outputs, layer.inputs, n, gradient, layer.outputs, layer.in.data(),
               layer.inputs, 1, gradients + layer.weight, layer.inputs);
    }
    add_columns(gradient, n, layer.outputs, gradients + layer.bias);
    if (l == 0) break;
    float* below = layers_[l - 1].gradient.data();
    multiply(false, false, n, layer.inputs, layer.outputs, gradient, layer.outputs, values + layer.weight,
             layer.inputs, 0, below, layer.inputs);
    through_activation(below, layer.in.data(), kept_, int64_t{n} * layer.inputs);
  }
  if (embeddings_.empty()) return;
  // What reaches the embeddings: the outputs' gradient itself, or that of the first layer's last columns.
  const auto& first = layers_.front();
  const auto numeric = static_cast<int>(network_.numeric);
  const int width = network_.additive ? first.outputs : first.inputs - numeric;
  const float* from = first.gradient.data();
  if (!network_.additive) {
    multiply(false, false, n, width, first.outputs, first.gradient.data(), first.outputs,
             values + first.weight + numeric, first.inputs, 0, embedded_gradient_.data(), width);
    from = embedded_gradient_.data();
  }
  const size_t fields = static_cast<size_t>(numeric) + embeddings_.size();
  const bool drops = !network_.additive && network_.dropout > 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t* index =
        encoded.categorical.data() + static_cast<size_t>(rows[r]) * encoded.categorical_width;
    const float* row = from + r * static_cast<size_t>(width);
    for (size_t c = 0; c < embeddings_.size(); ++c) {
      const int64_t w = network_.embeddings[c].width;
      const bool dropped = drops && field_masks_[r * fields + static_cast<size_t>(numeric) + c] == 0;
      float* to = gradients + embeddings_[c] + index[c] * w;
      for (int64_t i = 0; i < w && !dropped; ++i) to[i] += row[i];
      if (!network_.additive) row += w;
    }
  }
}

}  // namespace rekindle::trainer
