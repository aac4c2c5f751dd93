// The golden numbers of golden/make_golden.py.
#pragma once

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

namespace rekindle::registry {

inline const boost::json::object& golden() {
  static const boost::json::value value = [] {
    std::ifstream in("tests/registry/golden/golden.json");
    std::stringstream text;
    text << in.rdbuf();
    return boost::json::parse(text.str());
  }();
  return value.as_object();
}

inline double number(const boost::json::object& of, std::string_view key) {
  return of.at(key).to_number<double>();
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

}  // namespace rekindle::registry
