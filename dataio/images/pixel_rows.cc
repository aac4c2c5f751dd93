#include "dataio/images/pixel_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/units.h"
#include "dataio/images/decode.h"
#include "dataio/images/scale.h"

namespace rekindle::dataio {
namespace {

constexpr uint8_t kMiddleGray = 128;
constexpr size_t kRowsBetweenSigns = 64;

Status decode_row(std::string_view bytes, PixelShape shape, uint8_t* out) {
  Pixels image = TRY(decode_image(bytes));
  if (shape.channels == 1) image = to_gray(image);
  image = scale(image, shape.size, shape.size);
  const size_t plane = size_t{shape.size} * shape.size;
  for (size_t i = 0; i < plane; ++i)
    for (uint32_t c = 0; c < shape.channels; ++c) out[c * plane + i] = image.values[i * shape.channels + c];
  return ok_status();
}

}  // namespace

Result<PixelRows> decode_rows(const Column& column, PixelShape shape, const std::function<void()>& advance) {
  CHECK(column.type == v1::BYTES, "images are bytes");
  if (shape.values() == 0) return invalid_argument("train.model.cnn.size must be at least 1");
  PixelRows out{shape, column.rows(), {}};
  if (out.rows > kPixelRowsBytesMax / shape.values())
    return resource_exhausted(
        fmt::format("{} images of {} values each are more than the {} that are kept in memory: say a smaller "
                    "train.model.cnn.size, or fewer train.rows",
                    out.rows, shape.values(), format_bytes(kPixelRowsBytesMax)));
  out.values.assign(out.rows * shape.values(), kMiddleGray);
  for (size_t row = 0; row < out.rows; ++row) {
    if (advance && row % kRowsBetweenSigns == 0) advance();
    if (column.missing(row)) continue;
    const Status decoded = decode_row(*column.blobs[row], shape, out.values.data() + row * shape.values());
    if (!decoded.ok()) return decoded.within(fmt::format("column '{}', row {}", column.name, row));
  }
  return out;
}

Augment draw_augment(uint64_t seed, uint64_t step, uint64_t row, uint32_t crop, bool flip) {
  const uint64_t counters[] = {step, row};
  const uint64_t draw = stable_hash({reinterpret_cast<const char*>(counters), sizeof counters}, seed);
  const uint64_t places = 2 * uint64_t{crop} + 1;
  Augment out;
  out.right = static_cast<int32_t>((draw & 0xffffff) % places) - static_cast<int32_t>(crop);
  out.down = static_cast<int32_t>((draw >> 24 & 0xffffff) % places) - static_cast<int32_t>(crop);
  out.mirror = flip && (draw >> 63) != 0;
  return out;
}

void normalised(const PixelRows& images, size_t row, const Augment& augment, float* out) {
  const auto size = static_cast<int32_t>(images.shape.size);
  const uint8_t* from = images.values.data() + row * images.shape.values();
  for (uint32_t c = 0; c < images.shape.channels; ++c) {
    for (int32_t y = 0; y < size; ++y) {
      for (int32_t x = 0; x < size; ++x) {
        const int32_t source_y = y - augment.down;
        int32_t source_x = x - augment.right;
        const bool inside = source_x >= 0 && source_x < size && source_y >= 0 && source_y < size;
        if (augment.mirror) source_x = size - 1 - source_x;
        const int value = inside ? from[source_y * size + source_x] : 0;
        *out++ = static_cast<float>(value) / 127.5f - 1.0f;
      }
    }
    from += static_cast<ptrdiff_t>(size) * size;
  }
}

}  // namespace rekindle::dataio
