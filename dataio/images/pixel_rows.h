// The images of a column as a network takes them: one size, one number of channels, one after the other.
//
// Kept as bytes, a quarter of what floats would take; cut, mirrored and normalised when a batch is made.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dataio/table.h"

namespace rekindle::dataio {

// Of all images of a window together: a run that needs more than this trains on smaller images or fewer rows.
inline constexpr uint64_t kPixelRowsBytesMax = 4ull << 30;

struct PixelShape {
  uint32_t size = 0;      // pixels a side
  uint32_t channels = 3;  // or 1: gray
  size_t values() const { return size_t{channels} * size * size; }
};

struct PixelRows {
  PixelShape shape;
  size_t rows = 0;
  std::vector<uint8_t> values;  // [rows, channels, size, size]
};

// A missing image is middle gray, which normalises to next to nothing. invalid_argument names the row of an
// image that cannot be decoded; resource_exhausted when all together are too many. `advance` is called now
// and then.
Result<PixelRows> decode_rows(const Column& column, PixelShape shape,
                              const std::function<void()>& advance = {});

// How one image is moved while training.
struct Augment {
  int32_t right = 0, down = 0;  // pixels that it is shifted by; what comes in is black
  bool mirror = false;          // left and right change sides, before the shift
};
// The draw for a row of a step: shifts within [-crop, crop] and, where asked for, a coin. A function of its
// arguments alone, so that neither ranks nor resumes nor the rows beside it change it.
Augment draw_augment(uint64_t seed, uint64_t step, uint64_t row, uint32_t crop, bool flip);

// One row as floats, value / 127.5 - 1.
void normalised(const PixelRows& images, size_t row, const Augment& augment, float* out);

}  // namespace rekindle::dataio
