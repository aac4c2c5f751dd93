#include "dataio/images/decode.h"

#include <fmt/format.h>
#include <png.h>
#include <turbojpeg.h>

#include <memory>

#include "dataio/table.h"

namespace rekindle::dataio {
namespace {

constexpr std::string_view kJpegMagic = "\xFF\xD8\xFF";
constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1A\n";

Status check_size(int64_t width, int64_t height) {
  if (width > 0 && height > 0 && static_cast<uint64_t>(width) * static_cast<uint64_t>(height) <= kPixelsMax)
    return ok_status();
  return invalid_argument(
      fmt::format("an image of {} x {} pixels; at most {} in all are taken", width, height, kPixelsMax));
}

Result<Pixels> decode_jpeg(std::string_view bytes) {
  const std::unique_ptr<void, int (*)(void*)> turbo(tjInitDecompress(), tjDestroy);
  if (!turbo) return internal_error("libjpeg-turbo does not start");
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto bad = [&] {
    return invalid_argument(fmt::format("a damaged or unsupported JPEG: {}", tjGetErrorStr2(turbo.get())));
  };
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(turbo.get(), data, bytes.size(), &width, &height, &subsampling, &colours) != 0)
    return bad();
  TRY_STATUS(check_size(width, height));
  Pixels out{static_cast<uint32_t>(width), static_cast<uint32_t>(height)};
  out.values.resize(size_t{3} * out.width * out.height);
  // The exact transform gives the same pixels on every processor; a file of thousands of scans is a bomb; a
  // warning is data that is missing or wrong.
  if (tjDecompress2(turbo.get(), data, bytes.size(), out.values.data(), width, 0, height, TJPF_RGB,
                    TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING) != 0)
    return bad();
  return out;
}

Result<Pixels> decode_png(std::string_view bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> freed(&image, png_image_free);
  const auto bad = [&] {
    return invalid_argument(fmt::format("a damaged or unsupported PNG: {}", image.message));
  };
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) return bad();
  TRY_STATUS(check_size(image.width, image.height));
  image.format = PNG_FORMAT_RGB;
  Pixels out{image.width, image.height};
  out.values.resize(PNG_IMAGE_SIZE(image));
  const png_color black{};
  if (!png_image_finish_read(&image, &black, out.values.data(), 0, nullptr)) return bad();
  return out;
}

}  // namespace

Result<Pixels> decode_image(std::string_view bytes) {
  if (bytes.size() > kBlobBytesMax)
    return invalid_argument(
        fmt::format("an image of {} bytes; at most {} are taken", bytes.size(), kBlobBytesMax));
  if (bytes.starts_with(kJpegMagic)) return decode_jpeg(bytes);
  if (bytes.starts_with(kPngMagic)) return decode_png(bytes);
  return invalid_argument("neither a JPEG nor a PNG: it begins otherwise");
}

Pixels to_gray(const Pixels& rgb) {
  if (rgb.channels == 1) return rgb;
  Pixels out{rgb.width, rgb.height, 1};
  out.values.resize(size_t{rgb.width} * rgb.height);
  for (size_t i = 0; i < out.values.size(); ++i) {
    const uint8_t* p = rgb.values.data() + 3 * i;
    out.values[i] = static_cast<uint8_t>((299u * p[0] + 587u * p[1] + 114u * p[2] + 500u) / 1000u);
  }
  return out;
}

}  // namespace rekindle::dataio
