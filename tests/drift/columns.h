// The columns of golden/compat_golden.py, made again from their seeds.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "tests/drift/golden.h"

namespace rekindle::drift {

inline std::vector<double> column(Uniform& uniform, const boost::json::object& side) {
  const auto scale = side.at("scale").to_number<double>(), shift = side.at("shift").to_number<double>();
  const auto steps = side.at("steps").to_number<double>();
  const auto nan_every = side.at("nan_every").to_number<size_t>();
  std::vector<double> out(side.at("n").to_number<size_t>());
  for (size_t i = 0; i < out.size(); ++i) {
    double x = uniform();
    if (side.at("cubed").as_bool()) x = x * x * x;
    x = x * scale + shift;
    if (steps > 0) x = std::floor(x * steps) / steps;
    out[i] = nan_every > 0 && i % nan_every == 0 ? std::numeric_limits<double>::quiet_NaN() : x;
  }
  return out;
}

struct ColumnPair {
  std::vector<double> reference, live;
};

inline ColumnPair columns(const boost::json::object& c) {
  Uniform uniform(c.at("seed").to_number<uint64_t>());
  ColumnPair out;
  out.reference = column(uniform, c.at("reference").as_object());
  out.live = c.at("live").is_null() ? out.reference : column(uniform, c.at("live").as_object());
  return out;
}

struct CategoryCounts {
  std::vector<int64_t> reference, live;
};

// Each number is a category; by rising number over those of either side.
inline CategoryCounts categories(std::span<const double> reference, std::span<const double> live) {
  std::map<double, std::pair<int64_t, int64_t>> counts;
  for (const double x : reference)
    if (!std::isnan(x)) ++counts[x].first;
  for (const double x : live)
    if (!std::isnan(x)) ++counts[x].second;
  CategoryCounts out;
  for (const auto& [value, both] : counts) {
    out.reference.push_back(both.first);
    out.live.push_back(both.second);
  }
  return out;
}

// A number of a golden file, which spells those that JSON has not.
inline double golden_number(const boost::json::value& value) {
  if (!value.is_string()) return value.to_number<double>();
  return value.as_string() == "nan" ? std::numeric_limits<double>::quiet_NaN()
                                    : std::numeric_limits<double>::infinity();
}

}  // namespace rekindle::drift
