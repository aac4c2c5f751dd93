#include "base/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace rekindle {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNone = 0xff;

constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> out{};
  out.fill(kNone);
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return out;
}();

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t word = 0;
    for (size_t i = 0; i < 3; ++i)
      word = word << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) out += i <= count ? kAlphabet[word >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0)
    return invalid_argument("base64 text has a multiple of 4 characters, not " + std::to_string(text.size()));
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const size_t digits = text.size() - padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t word = 0;
  for (size_t at = 0; at < digits; ++at) {
    const uint8_t value = kValues[static_cast<unsigned char>(text[at])];
    if (value == kNone) return invalid_argument("no base64: character " + std::to_string(at + 1));
    word = word << 6 | value;
    if (at % 4 == 0) continue;
    out += static_cast<char>(word >> (6 - 2 * (at % 4)) & 0xff);
  }
  const uint32_t spare = digits % 4 == 2 ? 0xfu : digits % 4 == 3 ? 0x3u : 0u;
  if ((word & spare) != 0) return invalid_argument("no base64: bits after the last byte");
  return out;
}

}  // namespace rekindle
