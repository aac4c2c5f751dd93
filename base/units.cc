#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace rekindle {
namespace {

constexpr std::array<std::pair<std::string_view, int64_t>, 6> kDurations = {{{"w", 604800000000},
                                                                             {"d", 86400000000},
                                                                             {"h", 3600000000},
                                                                             {"m", 60000000},
                                                                             {"s", 1000000},
                                                                             {"ms", 1000}}};

constexpr std::array<std::pair<std::string_view, uint64_t>, 9> kSizes = {{{"B", 1},
                                                                          {"KB", 1000},
                                                                          {"MB", 1000000},
                                                                          {"GB", 1000000000},
                                                                          {"TB", 1000000000000},
                                                                          {"KiB", 1ull << 10},
                                                                          {"MiB", 1ull << 20},
                                                                          {"GiB", 1ull << 30},
                                                                          {"TiB", 1ull << 40}}};

// Splits "120d" into 120 and "d".
bool split_number(std::string_view text, uint64_t& number, std::string_view& unit) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return false;
  unit = text.substr(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

Result<Micros> parse_duration(std::string_view text) {
  const Status bad = invalid_argument(
      fmt::format("'{}' is not a duration; write a whole number and a unit: 500ms 30s 90m 4h 7d 2w", text));
  uint64_t number = 0;
  std::string_view unit;
  if (!split_number(text, number, unit)) return bad;
  if (unit.empty() && number == 0) return Micros(0);
  for (const auto& [name, micros] : kDurations) {
    if (unit != name) continue;
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / micros)) return bad;
    return Micros(static_cast<int64_t>(number) * micros);
  }
  return bad;
}

std::string format_duration(Micros duration) {
  const int64_t micros = duration.count();
  if (micros == 0) return "0";
  // Weeks read worse than days ("26w" for half a year), so they are accepted but not written.
  for (const auto& [name, unit] : kDurations)
    if (name != "w" && micros % unit == 0) return fmt::format("{}{}", micros / unit, name);
  return fmt::format("{}us", micros);
}

Result<double> parse_share(std::string_view text) {
  const Status bad = invalid_argument(fmt::format("'{}' is not a share; write 10% or 0.1", text));
  const bool percent = !text.empty() && text.back() == '%';
  const std::string_view digits = percent ? text.substr(0, text.size() - 1) : text;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return bad;
  if (percent) value /= 100;
  if (!(value >= 0 && value <= 1)) return bad;
  return value;
}

Result<uint64_t> parse_bytes(std::string_view text) {
  const Status bad = invalid_argument(fmt::format("'{}' is not a size; write 512MB, 24GB or 8GiB", text));
  uint64_t number = 0;
  std::string_view unit;
  if (!split_number(text, number, unit)) return bad;
  if (unit.empty()) return number;
  for (const auto& [name, factor] : kSizes) {
    if (unit != name) continue;
    if (number > std::numeric_limits<uint64_t>::max() / factor) return bad;
    return number * factor;
  }
  return bad;
}

std::string format_bytes(uint64_t bytes) {
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit < 4; ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{}B", bytes) : fmt::format("{:.1f}{}", value, kSizes[unit].first);
}

}  // namespace rekindle
