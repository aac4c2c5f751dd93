// The conversions that are looked for, each way. Factors from 2 to 10 (feet, pounds, inches) lie so close
// together that any drift of that size would look like one of them: they are left out.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rekindle::drift {

// x becomes scale * x + offset.
struct Conversion {
  double scale = 1, offset = 0;
  std::string_view words;  // what it may be: "minutes to seconds, hours to minutes"
  double of(double x) const { return scale * x + offset; }
  double back(double y) const { return (y - offset) / scale; }
  bool small() const;  // a factor so near 1 that the world may do as much: a wind that doubles is no unit
};
std::span<const Conversion> conversions();

std::string in_words(const Conversion& conversion);  // "multiplied by 60 (minutes to seconds, ...?)"

}  // namespace rekindle::drift
