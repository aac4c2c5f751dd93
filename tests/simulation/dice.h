// All randomness of a simulation, from one seed.
#pragma once

#include <cstdint>
#include <random>

namespace rekindle::core::testing {

// std::mt19937_64 gives the same numbers everywhere; the distributions of the library do not.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint64_t below(uint64_t bound) { return random_() % bound; }
  bool chance(uint32_t percent) { return below(100) < percent; }

 private:
  std::mt19937_64 random_;
};

}  // namespace rekindle::core::testing
