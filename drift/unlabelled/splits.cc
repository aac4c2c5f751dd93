#include "drift/unlabelled/splits.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr double kTestShare = 0.1;

// numpy.random.RandomState: the twister, and numbers below a bound by masking and trying again.
class RandomState {
 public:
  explicit RandomState(uint32_t seed) : twister_(seed) {}

  uint32_t upto(uint32_t greatest) {
    if (greatest == 0) return 0;
    const uint32_t mask = std::bit_ceil(uint64_t{greatest} + 1) - 1;
    for (;;)
      if (const uint32_t drawn = static_cast<uint32_t>(twister_()) & mask; drawn <= greatest) return drawn;
  }
  void shuffle(std::vector<size_t>& values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[upto(static_cast<uint32_t>(i - 1))]);
  }
  std::vector<size_t> permutation(size_t count) {
    std::vector<size_t> out(count);
    std::iota(out.begin(), out.end(), size_t{0});
    shuffle(out);
    return out;
  }

 private:
  std::mt19937 twister_;
};

using PerLabel = std::array<size_t, 2>;

// `draws` shared over the labels as they are many; the one that rounding may leave goes to the greater
// remainder, by lot where they are alike.
PerLabel shared(const PerLabel& counts, size_t draws, RandomState& random) {
  std::array<double, 2> exact;
  PerLabel out;
  for (size_t k = 0; k < 2; ++k) {
    exact[k] = static_cast<double>(counts[k]) / static_cast<double>(counts[0] + counts[1]) *
               static_cast<double>(draws);
    out[k] = static_cast<size_t>(std::floor(exact[k]));
  }
  if (out[0] + out[1] == draws) return out;
  const double rest_0 = exact[0] - std::floor(exact[0]), rest_1 = exact[1] - std::floor(exact[1]);
  ++out[rest_0 == rest_1 ? random.permutation(2).front() : rest_1 > rest_0 ? 1 : 0];
  return out;
}

}  // namespace

std::vector<Split> stratified_splits(std::span<const uint8_t> labels, int splits, uint32_t seed) {
  std::array<std::vector<size_t>, 2> rows;
  for (size_t i = 0; i < labels.size(); ++i) {
    CHECK(labels[i] <= 1, "a label is 0 or 1");
    rows[labels[i]].push_back(i);
  }
  const auto tests = static_cast<size_t>(std::ceil(kTestShare * static_cast<double>(labels.size())));
  if (rows[0].size() < 2 || rows[1].size() < 2 || tests < 2) return {};
  const PerLabel counts = {rows[0].size(), rows[1].size()};
  RandomState random(seed);
  std::vector<Split> out;
  for (int split = 0; split < splits; ++split) {
    const PerLabel train = shared(counts, labels.size() - tests, random);
    const PerLabel test = shared({counts[0] - train[0], counts[1] - train[1]}, tests, random);
    Split drawn;
    for (size_t k = 0; k < 2; ++k) {
      const std::vector<size_t> order = random.permutation(counts[k]);
      for (size_t i = 0; i < train[k]; ++i) drawn.train.push_back(rows[k][order[i]]);
      for (size_t i = train[k]; i < train[k] + test[k]; ++i) drawn.test.push_back(rows[k][order[i]]);
    }
    random.shuffle(drawn.train);
    random.shuffle(drawn.test);
    out.push_back(std::move(drawn));
  }
  return out;
}

}  // namespace rekindle::drift
