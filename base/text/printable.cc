#include "base/text/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace rekindle {
namespace {

constexpr uint32_t kNoCharacter = 0xFFFD;

struct Character {
  uint32_t code = kNoCharacter;
  size_t bytes = 1;
};

// The first one of a text that is not empty; a byte that begins none stands for itself.
Character first_of(std::string_view text) {
  const auto at = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xC2 && lead < 0xE0   ? 2
                       : lead >= 0xE0 && lead < 0xF0 ? 3
                       : lead >= 0xF0 && lead < 0xF5 ? 4
                                                     : 1;
  if (bytes == 1 || text.size() < bytes) return {};
  uint32_t code = lead & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (at(i) & 0x3Fu);
  }
  const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, bytes};
}

bool plain(uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  const bool separator = code == 0x2028 || code == 0x2029;
  const bool direction = code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
                         (code >= 0x2066 && code <= 0x2069);
  return !control && !separator && !direction && code != kNoCharacter;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character one = first_of(text);
    if (plain(one.code))
      out += text.substr(0, one.bytes);
    else
      out += fmt::format("\\u{:04x}", one.code);
    text.remove_prefix(one.bytes);
  }
  return out;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character one = first_of(text);
    out += one.code == kNoCharacter ? std::string_view("\uFFFD") : text.substr(0, one.bytes);
    text.remove_prefix(one.bytes);
  }
  return out;
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const Character one = first_of(text);
    if (!plain(one.code)) return false;
    text.remove_prefix(one.bytes);
  }
  return true;
}

}  // namespace rekindle
