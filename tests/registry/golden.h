// The golden numbers of golden/make_golden.py, and the worlds of simulations.
#pragma once

#include <cmath>
#include <cstdlib>

#include "tests/drift/golden.h"

namespace rekindle::registry {

inline const boost::json::object& golden() {
  static const boost::json::value value = drift::golden_file("tests/registry/golden/golden.json");
  return value.as_object();
}

inline double number(const boost::json::object& of, std::string_view key) {
  return of.at(key).to_number<double>();
}

using drift::Uniform;  // the generator of make_golden.py

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
