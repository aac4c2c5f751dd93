#include "drawn_rows.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

#include "base/clock.h"
#include "base/hash.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

constexpr int64_t kSpanUs = 10 * kDayUs;

// Draws below `n`, from counters.
class Draw {
 public:
  explicit Draw(uint64_t seed) : seed_(seed) {}
  int32_t operator()(int32_t n) {
    ++count_;
    return static_cast<int32_t>(stable_hash({reinterpret_cast<const char*>(&count_), sizeof count_}, seed_) %
                                static_cast<uint64_t>(n));
  }

 private:
  uint64_t seed_, count_ = 0;
};

dataio::Column times(size_t count) {
  const int64_t begin = to_micros(parse_time("2013-01-01").value());
  std::vector<int64_t> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(begin + kSpanUs / static_cast<int64_t>(count) * static_cast<int64_t>(i));
  return dataio::time_column("when", std::move(out));
}

constexpr int32_t kSide = 12;

std::string png_of(std::span<const uint8_t> pixels, uint32_t side, uint32_t format = PNG_FORMAT_GRAY) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = side;
  image.format = format;
  png_alloc_size_t size = 0;
  if (!png_image_write_get_memory_size(image, size, 0, pixels.data(), 0, nullptr)) return {};
  std::string out(size, '\0');
  png_image_write_to_memory(&image, out.data(), &size, 0, pixels.data(), 0, nullptr);
  out.resize(size);
  return out;
}

struct Shape {
  const char* name;
  int32_t width, height;
};
constexpr Shape kShapes[] = {{"across", 7, 2}, {"down", 2, 7}, {"block", 4, 4}};

std::string picture(Draw& draw, const Shape& shape) {
  std::array<uint8_t, kSide * kSide> pixels;
  for (auto& pixel : pixels) pixel = static_cast<uint8_t>(draw(90));
  const auto [name, width, height] = shape;
  const int32_t left = draw(kSide - width + 1), top = draw(kSide - height + 1);
  for (int32_t y = top; y < top + height; ++y)
    for (int32_t x = left; x < left + width; ++x)
      pixels[static_cast<size_t>(y * kSide + x)] = static_cast<uint8_t>(140 + draw(100));
  return png_of(pixels, kSide);
}

}  // namespace

dataio::Table pictures(size_t count) {
  Draw draw(11);
  std::vector<std::string> images, shapes;
  std::vector<double> labels, heights;
  for (size_t i = 0; i < count; ++i) {
    const Shape& shape = kShapes[draw(3)];
    images.push_back(picture(draw, shape));
    labels.push_back(&shape == kShapes ? 1 : 0);
    shapes.push_back(shape.name);
    heights.push_back(shape.height);
  }
  dataio::Table out;
  out.add(times(count));
  out.add(dataio::bytes_column("image", std::move(images)));
  out.add(dataio::bool_column("label", std::move(labels)));
  out.add(dataio::text_column("shape", shapes));
  out.add(dataio::number_column("height", std::move(heights)));
  return out;
}

dataio::Table noise(size_t count, uint32_t side) {
  Draw draw(14);
  std::vector<std::string> images;
  std::vector<double> labels;
  std::vector<uint8_t> pixels(size_t{3} * side * side);
  for (size_t i = 0; i < count; ++i) {
    const bool bright = draw(2) == 1;
    for (size_t p = 0; p < pixels.size(); ++p)
      pixels[p] = static_cast<uint8_t>(draw(200) + (bright && p % 3 == 0 ? 40 : 0));
    images.push_back(png_of(pixels, side, PNG_FORMAT_RGB));
    labels.push_back(bright ? 1 : 0);
  }
  dataio::Table out;
  out.add(times(count));
  out.add(dataio::bytes_column("image", std::move(images)));
  out.add(dataio::bool_column("label", std::move(labels)));
  return out;
}

dataio::Table numbers(size_t count, size_t columns) {
  Draw draw(15);
  std::vector<std::vector<double>> values(columns);
  std::vector<double> labels;
  for (size_t i = 0; i < count; ++i) {
    double sum = 0;
    for (auto& column : values) {
      column.push_back(draw(2001) / 1000.0 - 1);
      sum += column.back();
    }
    labels.push_back(sum + draw(2001) / 1000.0 - 1 > 0 ? 1 : 0);
  }
  dataio::Table out;
  out.add(times(count));
  for (size_t c = 0; c < columns; ++c)
    out.add(dataio::number_column("f" + std::to_string(c), std::move(values[c])));
  out.add(dataio::bool_column("label", std::move(labels)));
  return out;
}

dataio::Table orders(size_t count) {
  Draw draw(12);
  std::vector<std::vector<int32_t>> words;
  std::vector<double> labels;
  std::vector<std::string> has;
  for (size_t i = 0; i < count; ++i) {
    auto& row = words.emplace_back(static_cast<size_t>(3 + draw(7)));
    for (auto& token : row) token = draw(8) + (draw(8) < 1 ? 2 : 0);
    for (auto& token : row)
      if (token == 1 || token == 2) token = 3;
    // One of each, at different places.
    const auto a = draw(static_cast<int32_t>(row.size()));
    const auto b = (a + 1 + draw(static_cast<int32_t>(row.size()) - 1)) % static_cast<int32_t>(row.size());
    row[static_cast<size_t>(a)] = 1;
    row[static_cast<size_t>(b)] = 2;
    labels.push_back(a < b ? 1 : 0);
    std::string& names = has.emplace_back();
    for (const auto& [token, name] : {std::pair(0, "zero"), std::pair(5, "five"), std::pair(9, "nine")})
      if (std::count(row.begin(), row.end(), token) > 0)
        names += (names.empty() ? "" : "|") + std::string(name);
  }
  dataio::Table out;
  out.add(times(count));
  out.add(dataio::tokens_column("words", std::move(words)));
  out.add(dataio::bool_column("label", std::move(labels)));
  out.add(dataio::text_column("has", has));
  return out;
}

dataio::Table sums(size_t count) {
  Draw draw(13);
  std::vector<std::vector<int32_t>> words;
  std::vector<double> labels, totals;
  std::vector<std::string> next;
  for (size_t i = 0; i < count; ++i) {
    auto& row = words.emplace_back(static_cast<size_t>(3 + draw(4)));
    for (auto& token : row) token = draw(5);
    labels.push_back((row.front() + row.back()) % 5 < 2 ? 1 : 0);
    next.push_back(
        std::array{"zero", "one", "two", "three", "four"}[static_cast<size_t>(row.back() + 1) % 5]);
    totals.push_back(std::accumulate(row.begin(), row.end(), 0.0));
  }
  dataio::Table out;
  out.add(times(count));
  out.add(dataio::tokens_column("words", std::move(words)));
  out.add(dataio::bool_column("label", std::move(labels)));
  out.add(dataio::text_column("next", next));
  out.add(dataio::number_column("total", std::move(totals)));
  return out;
}

dataio::Table rows_with_labels(size_t count) {
  dataio::Table out = made_up_rows(count);
  std::vector<std::string> shift, tags;
  std::vector<double> minutes;
  for (size_t i = 0; i < count; ++i) {
    const double minute = out.find("minute")->numbers[i], temp = out.find("temp")->numbers[i];
    const auto noise = static_cast<double>(i * 2654435761u % 100) / 100;
    shift.push_back(noise < 0.1 ? "early" : minute < 480 ? "early" : minute < 960 ? "day" : "night");
    std::string set = temp > 35 ? "warm" : "";
    if (out.find("carrier")->text(i) == "c0") set += set.empty() ? "first" : "|first";
    if (noise < 0.1) set += set.empty() ? "odd" : "|odd";
    tags.push_back(set);
    minutes.push_back(i % 50 == 7 ? NAN : 100 + minute / 10 + temp + 10 * noise);
  }
  out.add(dataio::text_column("shift", shift));
  out.add(dataio::text_column("tags", tags));
  out.add(dataio::number_column("minutes", std::move(minutes)));
  return out;
}

}  // namespace rekindle::trainer
