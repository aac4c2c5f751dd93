// Draws that are the same everywhere for the same seed: the standard's distributions are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace rekindle::drift {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  // Evenly from [0, count); the bias of the remainder is below 2^-32 for what fits in memory.
  size_t below(size_t count) { return static_cast<size_t>(engine_() % count); }
  template <typename T>
  void shuffle(std::span<T> values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace rekindle::drift
