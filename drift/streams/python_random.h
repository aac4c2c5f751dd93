// What Python's random.Random(seed) draws: so KSWIN samples what river's samples, and made-up streams are
// river's row for row.
//
// Python seeds the Mersenne twister by array and draws below n by rejection on its top bits; std::mt19937
// is the same generator with another seeding.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace rekindle::drift {

class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);
  uint32_t below(uint32_t n);                                // n > 0; randrange(n)
  double uniform();                                          // random(): in [0, 1), of 53 bits
  std::vector<uint32_t> sample(uint32_t n, uint32_t count);  // without repetition, in the order drawn

 private:
  std::mt19937 engine_;
};

}  // namespace rekindle::drift
