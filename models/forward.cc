#include "models/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace rekindle::models {
namespace {

constexpr int64_t kLanes = 16;     // outputs are padded to whole vectors of the widest kind
constexpr size_t kBlockRows = 4;   // rows that share each load of a weight
constexpr size_t kChunkRows = 64;  // rows whose activations stay in the first cache level

int64_t padded(int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

// A vector of the widest kind; on narrower processors the compiler takes several.
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// One layer for some rows, kLanes outputs at a time, each sum in a register. The clones do the same
// arithmetic, and weights, biases and rows begin at multiples of a vector.
#define REKINDLE_DENSE(rows)                                                                                 \
  __attribute__((target_clones("default", "avx2", "avx512f"))) void dense_##rows(                            \
      const float* __restrict in, int64_t stride, int64_t inputs, const float* __restrict weight,            \
      const float* __restrict bias, int64_t outputs, bool relu, float* __restrict out, int64_t out_stride) { \
    const Lanes zero = {};                                                                                   \
    for (int64_t o = 0; o < outputs; o += kLanes) {                                                          \
      Lanes sum[rows];                                                                                       \
      for (int r = 0; r < rows; ++r) sum[r] = *reinterpret_cast<const Lanes*>(bias + o);                     \
      for (int64_t i = 0; i < inputs; ++i) {                                                                 \
        const Lanes w = *reinterpret_cast<const Lanes*>(weight + i * outputs + o);                           \
        for (int r = 0; r < rows; ++r) sum[r] += w * in[r * stride + i];                                     \
      }                                                                                                      \
      for (int r = 0; r < rows; ++r) {                                                                       \
        if (relu) sum[r] = sum[r] < zero ? zero : sum[r];                                                    \
        *reinterpret_cast<Lanes*>(out + r * out_stride + o) = sum[r];                                        \
      }                                                                                                      \
    }                                                                                                        \
  }
REKINDLE_DENSE(4)
REKINDLE_DENSE(1)
#undef REKINDLE_DENSE

}  // namespace

Forward::Forward(Network network, const Parameters& parameters) : network_(std::move(network)) {
  for (const auto& e : network_.embeddings) embeddings_.push_back(parameters.at(e.parameter));
  width_ = padded(network_.input_width());
  for (const auto& l : network_.layers) {
    Dense d;
    d.inputs = l.inputs;
    d.outputs = l.outputs;
    d.padded = padded(l.outputs);
    d.relu = &l != &network_.layers.back();
    d.weight.assign(static_cast<size_t>(d.inputs * d.padded), 0.0f);
    const auto& weight = parameters.at(l.weight);
    for (int64_t o = 0; o < d.outputs; ++o)
      for (int64_t i = 0; i < d.inputs; ++i) d.weight[i * d.padded + o] = weight[o * d.inputs + i];
    const auto& bias = parameters.at(l.bias);
    d.bias.assign(bias.begin(), bias.end());
    d.bias.resize(static_cast<size_t>(d.padded), 0.0f);
    width_ = std::max(width_, d.padded);
    layers_.push_back(std::move(d));
  }
}

void Forward::input_rows(const dataio::Encoded& inputs, size_t begin, size_t count, float* to) const {
  const size_t numeric = inputs.numeric_width;
  for (size_t r = 0; r < count; ++r) {
    float* out = to + r * width_;
    if (numeric > 0) std::memcpy(out, inputs.numeric.data() + (begin + r) * numeric, numeric * sizeof(float));
    if (network_.additive) continue;
    out += numeric;
    const int64_t* index = inputs.categorical.data() + (begin + r) * inputs.categorical_width;
    for (size_t c = 0; c < embeddings_.size(); ++c) {
      const int64_t width = network_.embeddings[c].width;
      std::memcpy(out, embeddings_[c].data() + index[c] * width, static_cast<size_t>(width) * sizeof(float));
      out += width;
    }
  }
}

void Forward::output_rows(const dataio::Encoded& inputs, size_t begin, size_t count, const float* from,
                          std::vector<float>& logits) const {
  const size_t outputs = network_.head.outputs();
  logits.resize(count * outputs);
  for (size_t r = 0; r < count; ++r) {
    float* out = logits.data() + r * outputs;
    std::copy_n(from + r * width_, outputs, out);
    if (!network_.additive) continue;
    const int64_t* index = inputs.categorical.data() + (begin + r) * inputs.categorical_width;
    for (size_t c = 0; c < embeddings_.size(); ++c) {
      const float* row = embeddings_[c].data() + index[c] * static_cast<int64_t>(outputs);
      for (size_t k = 0; k < outputs; ++k) out[k] += row[k];
    }
  }
}

std::vector<double> Forward::run(const dataio::Encoded& inputs) const {
  CHECK(static_cast<int64_t>(inputs.numeric_width) == network_.numeric &&
            inputs.categorical_width == embeddings_.size(),
        "inputs were encoded for another network");
  const size_t outputs = network_.head.outputs();
  std::vector<double> out(inputs.rows * outputs);
  thread_local std::vector<float> logits;
  // Kept between calls: a small request would spend more on the memory than on the sums.
  thread_local dataio::AlignedVector<float> buffers[2];
  for (auto& b : buffers) {
    if (b.size() < kChunkRows * static_cast<size_t>(width_))
      b.resize(kChunkRows * static_cast<size_t>(width_));
  }
  for (size_t begin = 0; begin < inputs.rows; begin += kChunkRows) {
    const size_t count = std::min(kChunkRows, inputs.rows - begin);
    float* in = buffers[0].data();
    float* next = buffers[1].data();
    input_rows(inputs, begin, count, in);
    for (const auto& l : layers_) {
      size_t r = 0;
      for (; r + kBlockRows <= count; r += kBlockRows) {
        dense_4(in + r * width_, width_, l.inputs, l.weight.data(), l.bias.data(), l.padded, l.relu,
                next + r * width_, width_);
      }
      for (; r < count; ++r) {
        dense_1(in + r * width_, width_, l.inputs, l.weight.data(), l.bias.data(), l.padded, l.relu,
                next + r * width_, width_);
      }
      std::swap(in, next);
    }
    output_rows(inputs, begin, count, in, logits);
    network_.head.answer(logits, std::span(out).subspan(begin * outputs, count * outputs));
  }
  return out;
}

}  // namespace rekindle::models
