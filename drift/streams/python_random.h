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
  uint32_t below(uint32_t n);  // n > 0; randrange(n)
  double uniform();            // random(): in [0, 1), of 53 bits
  // Without repetition, in the order drawn, into `out`, whose memory is used again.
  void sample(uint32_t n, uint32_t count, std::vector<uint32_t>& out);

 private:
  // std::mt19937 of words of 32 bits: its own are of 64, twice the memory to go through.
  std::mersenne_twister_engine<uint32_t, 32, 624, 397, 31, 0x9908b0df, 11, 0xffffffff, 7, 0x9d2c5680, 15,
                               0xefc60000, 18, 1812433253>
      engine_;
  std::vector<uint32_t> pool_;  // kept for its memory alone
};

}  // namespace rekindle::drift
