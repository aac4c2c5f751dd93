#include "drift/streams/python_random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
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

// How many of a population Python draws into a set before it draws from a list instead.
uint32_t set_size(uint32_t count) {
  uint32_t size = 21;
  if (count > 5) size += 1u << (2 * static_cast<uint32_t>(std::ceil(std::log(count * 3.0) / std::log(4.0))));
  return size;
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
    pool_.resize(n);
    std::iota(pool_.begin(), pool_.end(), 0u);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t at = below(n - i);
      out.push_back(pool_[at]);
      pool_[at] = pool_[n - i - 1];
    }
    return;
  }
  while (out.size() < count) {
    const uint32_t at = below(n);
    if (std::ranges::find(out, at) == out.end()) out.push_back(at);
  }
}

}  // namespace rekindle::drift
