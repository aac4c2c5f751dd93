// Images as pixels: against Pillow's, and what bytes from anywhere are told. golden/images.py is the oracle.
#include <boost/json.hpp>
#include <fstream>
#include <set>

#include "base/base64.h"
#include "base/hash.h"
#include "dataio/images/decode.h"
#include "dataio/images/pixel_rows.h"
#include "dataio/images/scale.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::HasSubstr;

const boost::json::object& golden() {
  static const boost::json::value value = [] {
    std::ifstream file("tests/dataio/golden/images.json");
    return boost::json::parse(
        std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  }();
  return value.as_object();
}

std::string text(const boost::json::value& value) {
  return std::string(value.as_string());
}

std::string sha(const Pixels& image) {
  return sha256_hex({reinterpret_cast<const char*>(image.values.data()), image.values.size()});
}

Pixels drawn(uint32_t width, uint32_t height) {
  Pixels out{width, height};
  for (uint32_t y = 0; y < height; ++y)
    for (uint32_t x = 0; x < width; ++x)
      for (uint32_t c = 0; c < 3; ++c)
        out.values.push_back(static_cast<uint8_t>(x * 7 + y * 13 + c * 50 + x * y));
  return out;
}

std::string file(std::string_view name) {
  for (const auto& one : golden().at("files").as_array())
    if (one.at("name").as_string() == name) return base64_decode(text(one.at("base64"))).value();
  return {};
}

TEST(Images, DecodeAsPillowDoes) {
  for (const auto& one : golden().at("files").as_array()) {
    const auto image = decode_image(base64_decode(text(one.at("base64"))).value());
    ASSERT_TRUE(image.ok()) << text(one.at("name")) << image.status().message();
    EXPECT_EQ(image->width, one.at("width").to_number<uint32_t>());
    EXPECT_EQ(image->height, one.at("height").to_number<uint32_t>());
    EXPECT_EQ(sha(*image), text(one.at("rgb"))) << text(one.at("name"));
  }
}

TEST(Images, ScaleAsPillowDoes) {
  for (const auto& one : golden().at("scaled").as_array()) {
    const auto side = [&](const char* key, size_t at) { return one.at(key).at(at).to_number<uint32_t>(); };
    const Pixels image = scale(drawn(side("from", 0), side("from", 1)), side("to", 0), side("to", 1));
    EXPECT_EQ(sha(image), text(one.at("rgb"))) << boost::json::serialize(one);
  }
}

TEST(Images, WhatIsNoImageIsRefused) {
  for (const char* bytes : {"", "GIF89a", "BM", "\xFF\xD8\xFF", "\x89PNG\r\n\x1A\n"})
    EXPECT_EQ(decode_image(bytes).status().code(), Code::kInvalidArgument) << bytes;
  EXPECT_THAT(decode_image(base64_decode(text(golden().at("cmyk"))).value()).status().message(),
              HasSubstr("JPEG"));
  EXPECT_THAT(decode_image(std::string(kBlobBytesMax + 1, 'x')).status().message(),
              HasSubstr("at most 16777216"));
  // 65,280 x 65,280 pixels by the header alone.
  std::string jpeg = file("jpeg gray");
  const size_t frame = jpeg.find("\xFF\xC0");
  jpeg.replace(frame + 5, 4, std::string("\xFF\0\xFF\0", 4));
  EXPECT_THAT(decode_image(jpeg).status().message(), HasSubstr("65280 x 65280 pixels; at most"));
}

TEST(Images, CutOrBentAnywhereIsAnErrorOrAnImage) {
  for (const char* name : {"jpeg 4:2:0", "jpeg 4:4:4 progressive", "png", "png palette"}) {
    const std::string whole = file(name);
    for (size_t cut = 0; cut + 16 < whole.size(); cut += 7)
      EXPECT_FALSE(decode_image(whole.substr(0, cut)).ok()) << name << " cut at " << cut;
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string bent = whole;
      bent[at] ^= 0x55;
      const auto image = decode_image(bent);
      if (image.ok()) {
        EXPECT_EQ(image->values.size(), size_t{3} * image->width * image->height);
      }
    }
  }
}

TEST(Images, RowsAreScaledAndNamed) {
  Column column = bytes_column("picture", {file("png"), file("jpeg gray")});
  column.add_missing();
  const auto rows = decode_rows(column, {8, 3});
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows->rows, 3u);
  std::vector<float> values(rows->shape.values());
  normalised(*rows, 2, {}, values.data());
  EXPECT_NEAR(values[5], 0, 0.005) << "a missing image says nothing";
  const Pixels first = scale(decode_image(file("png")).value(), 8, 8);
  normalised(*rows, 0, {}, values.data());
  EXPECT_EQ(values[64 + 9], static_cast<float>(first.values[9 * 3 + 1]) / 127.5f - 1) << "planes of channels";
  EXPECT_EQ(decode_rows(column, {8, 1})->values.size(), 3u * 64);
  column.add_blob("no image");
  EXPECT_THAT(decode_rows(column, {8, 3}).status().message(),
              HasSubstr("column 'picture', row 3: neither a JPEG nor a PNG"));
  column.blobs.assign(200000, nullptr);
  EXPECT_EQ(decode_rows(column, {512, 3}).status().code(), Code::kResourceExhausted);
}

TEST(Images, AugmentationMovesThePixels) {
  PixelRows image{{4, 1}, 1, {}};
  for (uint8_t i = 0; i < 16; ++i) image.values.push_back(static_cast<uint8_t>(10 * (i + 1)));
  std::vector<float> out(16);
  const auto pixel = [&](int x, int y) {
    return std::lround((out[static_cast<size_t>(y * 4 + x)] + 1) * 127.5);
  };
  normalised(image, 0, {1, 0, false}, out.data());
  EXPECT_EQ(pixel(0, 0), 0) << "what comes in is black";
  EXPECT_EQ(pixel(1, 0), 10);
  normalised(image, 0, {0, -2, false}, out.data());
  EXPECT_EQ(pixel(0, 0), 90);
  EXPECT_EQ(pixel(0, 2), 0);
  normalised(image, 0, {0, 0, true}, out.data());
  EXPECT_EQ(pixel(0, 0), 40);
  EXPECT_EQ(pixel(3, 3), 130);
}

TEST(Images, DrawsFollowFromSeedStepAndRow) {
  std::set<std::pair<int, int>> places;
  int mirrored = 0;
  for (uint64_t row = 0; row < 2000; ++row) {
    const Augment one = draw_augment(1, 7, row, 2, true), same = draw_augment(1, 7, row, 2, true);
    EXPECT_EQ(one.right, same.right);
    EXPECT_LE(std::abs(one.right), 2);
    EXPECT_LE(std::abs(one.down), 2);
    places.emplace(one.right, one.down);
    mirrored += one.mirror;
  }
  EXPECT_EQ(places.size(), 25u);
  EXPECT_NEAR(mirrored, 1000, 100);
  const Augment still = draw_augment(1, 7, 3, 0, false);
  EXPECT_TRUE(still.right == 0 && still.down == 0 && !still.mirror);
  int moved = 0;
  for (uint64_t step = 0; step < 100; ++step)
    moved += draw_augment(1, step, 3, 8, false).right != draw_augment(1, step + 1, 3, 8, false).right;
  EXPECT_GT(moved, 80);
}

}  // namespace
}  // namespace rekindle::dataio
