// The golden numbers of golden/make_golden.py, and the worlds of simulations.
#pragma once

#include <boost/json.hpp>
#include <cmath>
#include <cstdlib>
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

// How many worlds a simulation looks at: so many here, more in the nightly suite.
inline int worlds(int usual) {
  const char* more = std::getenv("REKINDLE_SEEDS");
  return more == nullptr ? usual : std::atoi(more);
}

// How far a share of so many worlds may stray from the true one.
inline double chance(double share, int worlds) {
  return 3.5 * std::sqrt(share * (1 - share) / worlds);
}

}  // namespace rekindle::registry
