#include "drift/feed/units/conversions.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

namespace rekindle::drift {

std::span<const Conversion> conversions() {
  static const std::vector<Conversion> all = [] {
    std::vector<Conversion> out;
    const auto both = [&](double scale, std::string_view there, std::string_view back) {
      out.push_back({scale, 0, there});
      out.push_back({1 / scale, 0, back});
    };
    both(10, "", "");
    both(60, "minutes to seconds, hours to minutes", "seconds to minutes, minutes to hours");
    both(100, "a share to percent, m to cm", "percent to a share, cm to m");
    both(1e3, "seconds to ms, km to m", "ms to seconds, m to km");
    both(1e6, "seconds to \u00b5s", "\u00b5s to seconds");
    both(1e9, "seconds to ns", "ns to seconds");
    both(3600, "hours to seconds", "seconds to hours");
    both(24, "days to hours", "hours to days");
    both(1440, "days to minutes", "minutes to days");
    both(86400, "days to seconds", "seconds to days");
    both(12, "feet to inches, years to months", "inches to feet, months to years");
    both(1.609344, "miles to km, mph to km/h", "km to miles, km/h to mph");
    both(1.852, "nautical miles to km, knots to km/h", "km to nautical miles, km/h to knots");
    both(25.4, "inches to mm", "mm to inches");
    both(28.349523, "ounces to g", "g to ounces");
    both(33.863886, "inHg to hPa", "hPa to inHg");
    both(57.295779513, "radians to degrees", "degrees to radians");
    out.push_back({5.0 / 9, -160.0 / 9, "\u00b0F to \u00b0C"});
    out.push_back({1.8, 32, "\u00b0C to \u00b0F"});
    out.push_back({5.0 / 9, 459.67 * 5 / 9, "\u00b0F to K"});
    out.push_back({1.8, -459.67, "K to \u00b0F"});
    out.push_back({1, 273.15, "\u00b0C to K"});
    out.push_back({1, -273.15, "K to \u00b0C"});
    out.push_back({-1, 0, "the sign turned"});
    return out;
  }();
  return all;
}

bool Conversion::small() const {
  constexpr double kSmallScale = 2.5;
  return offset == 0 && std::abs(scale) < kSmallScale && std::abs(scale) > 1 / kSmallScale;
}

std::string in_words(const Conversion& c) {
  std::string out;
  if (c.scale == 1)
    out = fmt::format("{:.4g} {}", std::abs(c.offset), c.offset > 0 ? "more" : "less");
  else if (c.scale < 1 && c.scale > 0 && c.offset == 0)
    out = fmt::format("divided by {:.4g}", 1 / c.scale);
  else
    out = fmt::format("multiplied by {:.4g}", c.scale);
  if (c.scale != 1 && c.offset != 0)
    out += fmt::format(" and {:.4g} {}", std::abs(c.offset), c.offset > 0 ? "more" : "less");
  if (!c.words.empty()) out += fmt::format(" ({}?)", c.words);
  return out;
}

}  // namespace rekindle::drift
