// The golden numbers of golden/make_golden.py, and the streams that it made them from.
#pragma once

#include <boost/json.hpp>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace rekindle::drift {

inline boost::json::value golden_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return boost::json::parse(text.str());
}

inline const boost::json::object& golden() {
  static const boost::json::value value = golden_file("tests/drift/golden/golden.json");
  return value.as_object();
}

template <typename T>
std::vector<T> numbers(const boost::json::value& array) {
  std::vector<T> out;
  for (const auto& x : array.as_array()) out.push_back(x.to_number<T>());
  return out;
}

// The generator of make_golden.py.
class Uniform {
 public:
  explicit Uniform(uint64_t seed) : state_(seed) {}
  double operator()() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 11) / 9007199254740992.0;
  }

 private:
  uint64_t state_;
};

// Calls `visit` with each item of {seed, segments}.
template <typename Visit>
void for_each_item(const boost::json::object& stream, const Visit& visit) {
  Uniform uniform(stream.at("seed").to_number<uint64_t>());
  for (const auto& entry : stream.at("segments").as_array()) {
    const auto& segment = entry.as_object();
    const auto count = segment.at("items").to_number<int64_t>();
    const auto p = segment.at("parameter").to_number<double>();
    const bool bernoulli = segment.at("kind").as_string() == "bernoulli";
    for (int64_t i = 0; i < count; ++i) {
      const double u = uniform();
      visit(bernoulli ? (u < p ? 1.0 : 0.0) : (u + p) / 2);
    }
  }
}

}  // namespace rekindle::drift
