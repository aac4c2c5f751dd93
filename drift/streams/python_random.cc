#include "drift/streams/python_random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr size_t kWords = 624;

// The state that the Mersenne twister's init_by_array makes of a one-word key.
std::array<uint32_t, kWords> seeded(uint32_t key) {
  std::array<uint32_t, kWords> s;
  s[0] = 19650218u;
  for (uint32_t i = 1; i < kWords; ++i) s[i] = 1812433253u * (s[i - 1] ^ (s[i - 1] >> 30)) + i;
  size_t i = 1;
  const auto next = [&] {
    if (++i >= kWords) {
      s[0] = s[kWords - 1];
      i = 1;
    }
  };
  for (size_t step = 0; step < kWords; ++step, next())
    s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1664525u)) + key;
  for (size_t step = 0; step < kWords - 1; ++step, next())
    s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1566083941u)) - static_cast<uint32_t>(i);
  s[0] = 0x80000000u;
  return s;
}

// What std::mt19937 takes as seed: its own 624 words, as a seed sequence would have made them.
struct Words {
  using result_type = uint32_t;
  std::array<uint32_t, kWords> words;
  template <typename Iterator>
  void generate(Iterator begin, Iterator end) {
    CHECK(static_cast<size_t>(end - begin) == kWords, "a Mersenne twister asks for its whole state");
    std::ranges::copy(words, begin);
  }
};

// How many of a population Python draws into a set before it draws from a list instead: 21, and from a
// sample of six on the least power of four that is no less than three times the sample.
uint64_t set_size(uint32_t count) {
  uint64_t power = 0;
  if (count > 5)
    for (power = 1; power < uint64_t{3} * count;) power *= 4;
  return 21 + power;
}

}  // namespace

PythonRandom::PythonRandom(uint32_t seed) {
  Words words{seeded(seed)};
  engine_.seed(words);
}

uint32_t PythonRandom::below(uint32_t n) {
  CHECK(n > 0, "nothing to draw from");
  const int bits = std::bit_width(n);
  uint32_t drawn = engine_() >> (32 - bits);
  while (drawn >= n) drawn = engine_() >> (32 - bits);
  return drawn;
}

double PythonRandom::uniform() {
  const uint32_t high = engine_() >> 5, low = engine_() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

void PythonRandom::sample(uint32_t n, uint32_t count, std::vector<uint32_t>& out) {
  CHECK(count <= n, "a sample is no larger than its population");
  out.clear();
  if (n <= set_size(count)) {
    out.resize(count);
    pool_.resize(std::bit_ceil(uint64_t{n} + 1));  // a draw that is too large is within it
    std::iota(pool_.begin(), pool_.end(), 0u);
    uint32_t taken = 0;
    while (taken < count) {
      // below(n - taken), without a branch that nobody can guess: what is too large is overwritten. So many
      // bits are asked for until fewer do.
      const int bits = std::bit_width(n - taken);
      const uint32_t until = std::min(count, n - (1u << (bits - 1)) + 1);
      while (taken < until) {
        const uint32_t at = engine_() >> (32 - bits), left = n - taken;
        const bool fits = at < left;
        out[taken] = pool_[at];
        pool_[at] = fits ? pool_[left - 1] : pool_[at];
        taken += fits;
      }
    }
    return;
  }
  while (out.size() < count) {
    const uint32_t at = below(n);
    if (std::ranges::find(out, at) == out.end()) out.push_back(at);
  }
}

}  // namespace rekindle::drift
