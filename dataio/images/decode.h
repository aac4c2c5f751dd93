// Encoded images (JPEG, PNG) as pixels; for bytes from anywhere.
//
// What it costs is bounded before it is spent: size of the file, pixels by the header. A damaged, truncated
// or unknown image is an invalid_argument that says so.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::dataio {

inline constexpr uint64_t kPixelsMax = 1 << 24;  // 4096 x 4096: 48 MB while it is decoded

// Eight bits a channel, rows from the top: values[(y * width + x) * channels + c].
struct Pixels {
  uint32_t width = 0, height = 0;
  uint32_t channels = 3;  // red, green, blue; or 1
  std::vector<uint8_t> values;
};

// Red, green and blue. Transparent parts lie on black; PNG's 16 bits become 8.
Result<Pixels> decode_image(std::string_view bytes);

// One channel: ITU-R BT.601 luma, rounded.
Pixels to_gray(const Pixels& rgb);

}  // namespace rekindle::dataio
