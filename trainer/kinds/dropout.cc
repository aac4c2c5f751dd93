#include "trainer/kinds/dropout.h"

#include <array>
#include <bit>
#include <cmath>

namespace rekindle::trainer {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ull;
constexpr int64_t kDraws = 64;  // at a time

// SplitMix64: a counter in, 64 well mixed bits out.
inline __attribute__((always_inline)) uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

static_assert(std::endian::native == std::endian::little, "a draw's lowest 16 bits are its first unit");

// One row. Whole numbers: every clone gives the same mask.
__attribute__((target_clones("default", "avx2", "arch=skylake-avx512"))) void fill_row(
    uint64_t counter, uint32_t threshold, float kept, int64_t width, float* __restrict out) {
  std::array<uint64_t, kDraws> draws;
  for (int64_t begin = 0; begin < width; begin += 4 * kDraws) {
    for (int64_t d = 0; d < kDraws; ++d) {
      draws[static_cast<size_t>(d)] = mix(counter + static_cast<uint64_t>(d) * kGolden);
    }
    const auto units = std::bit_cast<std::array<uint16_t, 4 * kDraws>>(draws);
    const int64_t count = width - begin < 4 * kDraws ? width - begin : 4 * kDraws;
    for (int64_t u = 0; u < count; ++u)
      out[begin + u] = units[static_cast<size_t>(u)] < threshold ? 0.0f : kept;
    counter += kDraws * kGolden;
  }
}

}  // namespace

void fill_dropout_mask(const StepKey& key, uint64_t layer, double share, float kept, int64_t rows,
                       int64_t width, float* mask) {
  // Four units share one draw of 64 bits: 16 bits resolve the share to 0.0015 %.
  const auto threshold = static_cast<uint32_t>(std::lround(share * 65536.0));
  const uint64_t base = mix(mix(mix(key.seed + kGolden) + key.step * kGolden) + layer * kGolden);
  const uint64_t draws = static_cast<uint64_t>(width + 3) / 4;
  for (int64_t r = 0; r < rows; ++r) {
    const uint64_t row = (key.first_row + static_cast<uint64_t>(r)) * draws;
    fill_row(base + row * kGolden, threshold, kept, width, mask + r * width);
  }
}

}  // namespace rekindle::trainer
