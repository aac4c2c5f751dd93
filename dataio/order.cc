#include "dataio/order.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace rekindle::dataio {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): every seed gives a full-period stream, the same everywhere.
class SplitMix {
 public:
  explicit SplitMix(uint64_t state) : state_(state) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound) without modulo bias (Lemire 2019).
  uint64_t below(uint64_t bound) {
    unsigned __int128 product = static_cast<unsigned __int128>(next()) * bound;
    auto low = static_cast<uint64_t>(product);
    if (low < bound) {
      const uint64_t threshold = (0 - bound) % bound;
      while (low < threshold) {
        product = static_cast<unsigned __int128>(next()) * bound;
        low = static_cast<uint64_t>(product);
      }
    }
    return static_cast<uint64_t>(product >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace

std::vector<int64_t> permutation(uint64_t rows, uint64_t seed, uint64_t epoch) {
  std::vector<int64_t> order(rows);
  std::iota(order.begin(), order.end(), int64_t{0});
  // The seed is mixed before the epoch is added: neighbouring (seed, epoch) pairs share no stream.
  SplitMix random(SplitMix(seed).next() ^ SplitMix(~epoch).next());
  for (uint64_t left = rows; left > 1; --left) std::swap(order[left - 1], order[random.below(left)]);
  return order;
}

uint64_t batches_per_epoch(uint64_t rows, uint64_t batch) {
  CHECK(batch > 0, "a batch has rows");
  return rows / batch + (rows % batch != 0 ? 1 : 0);
}

Slice batch_slice(uint64_t rows, uint64_t batch, uint64_t index) {
  CHECK(index < batches_per_epoch(rows, batch), "there is no such batch");
  return {index * batch, std::min(rows, (index + 1) * batch)};
}

Slice rank_part(Slice whole, uint32_t rank, uint32_t world) {
  CHECK(rank < world, "ranks count from 0");
  const uint64_t each = whole.size() / world, longer = whole.size() % world;
  const uint64_t begin = whole.begin + rank * each + std::min<uint64_t>(rank, longer);
  return {begin, begin + each + (rank < longer ? 1 : 0)};
}

}  // namespace rekindle::dataio
