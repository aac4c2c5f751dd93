#include "dataio/images/scale.h"

#include <algorithm>
#include <cmath>

namespace rekindle::dataio {
namespace {

constexpr int kFractionBits = 22;  // of a weight; 8 bits of the pixel and 2 of reserve are left of 32

// What one output pixel is made of, along one axis.
struct Taps {
  size_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> taps_of(uint32_t from, uint32_t to) {
  const double ratio = static_cast<double>(from) / to;
  const double reach = std::max(ratio, 1.0);
  std::vector<Taps> out(to);
  for (uint32_t i = 0; i < to; ++i) {
    const double center = (i + 0.5) * ratio;
    const auto begin = static_cast<int64_t>(std::max(center - reach + 0.5, 0.0));
    const auto end = static_cast<int64_t>(std::min(center + reach + 0.5, static_cast<double>(from)));
    std::vector<double> weights;
    double total = 0;
    for (int64_t x = begin; x < end; ++x) {
      weights.push_back(std::max(0.0, 1 - std::abs((static_cast<double>(x) - center + 0.5) / reach)));
      total += weights.back();
    }
    out[i].first = static_cast<size_t>(begin);
    for (const double weight : weights)
      out[i].weights.push_back(static_cast<int32_t>(0.5 + weight / total * (1 << kFractionBits)));
  }
  return out;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

Pixels scale_width(const Pixels& image, uint32_t width) {
  const std::vector<Taps> taps = taps_of(image.width, width);
  Pixels out{width, image.height, image.channels};
  out.values.resize(size_t{width} * image.height * image.channels);
  uint8_t* to = out.values.data();
  for (uint32_t y = 0; y < image.height; ++y) {
    const uint8_t* row = image.values.data() + size_t{y} * image.width * image.channels;
    for (const Taps& tap : taps) {
      for (uint32_t c = 0; c < image.channels; ++c) {
        int32_t sum = 1 << (kFractionBits - 1);
        for (size_t k = 0; k < tap.weights.size(); ++k)
          sum += row[(tap.first + k) * image.channels + c] * tap.weights[k];
        *to++ = rounded(sum);
      }
    }
  }
  return out;
}

Pixels scale_height(const Pixels& image, uint32_t height) {
  const std::vector<Taps> taps = taps_of(image.height, height);
  const size_t stride = size_t{image.width} * image.channels;
  Pixels out{image.width, height, image.channels};
  out.values.resize(stride * height);
  uint8_t* to = out.values.data();
  for (const Taps& tap : taps) {
    for (size_t x = 0; x < stride; ++x) {
      int32_t sum = 1 << (kFractionBits - 1);
      for (size_t k = 0; k < tap.weights.size(); ++k)
        sum += image.values[(tap.first + k) * stride + x] * tap.weights[k];
      *to++ = rounded(sum);
    }
  }
  return out;
}

}  // namespace

Pixels scale(const Pixels& image, uint32_t width, uint32_t height) {
  if (image.width != width && image.height != height) return scale_height(scale_width(image, width), height);
  if (image.width != width) return scale_width(image, width);
  return image.height != height ? scale_height(image, height) : image;
}

}  // namespace rekindle::dataio
