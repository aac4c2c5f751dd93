#include "base/ids.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace rekindle {

bool valid_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return alnum(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return alnum(c) || c == '-' || c == '_' || c == '.';
         });
}

Status check_name(std::string_view what, std::string_view text) {
  if (valid_name(text)) return ok_status();
  return invalid_argument(fmt::format(
      "'{}' is not a valid {}: use lower-case letters, digits, '-', '_' and '.', beginning with a letter or "
      "digit, at most 63 characters",
      text, what));
}

namespace {
void fill_random(void* out, size_t size) {
  CHECK(getrandom(out, size, 0) == static_cast<ssize_t>(size), "the kernel gave no random bytes");
}
}  // namespace

std::string random_hex(size_t bytes) {
  std::string raw(bytes, '\0');
  fill_random(raw.data(), bytes);
  std::string out;
  for (unsigned char c : raw) out += fmt::format("{:02x}", c);
  return out;
}

std::string new_uuid() {
  std::array<unsigned char, 16> b{};
  fill_random(b.data(), b.size());
  const auto ms = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                            std::chrono::system_clock::now().time_since_epoch())
                                            .count());
  for (int i = 0; i < 6; ++i) b[i] = static_cast<unsigned char>(ms >> (40 - 8 * i));
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x70);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string out;
  for (size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", b[i]);
  }
  return out;
}

}  // namespace rekindle
