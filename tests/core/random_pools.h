// Random pools and gangs, by a seed.
#pragma once

#include <fmt/format.h>

#include <random>

#include "core/place/cluster.h"

namespace rekindle::core::place {

inline constexpr int64_t kNow = 1'000'000;
inline constexpr int64_t kSecond = 1'000'000;

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
  bool chance(uint32_t percent) { return below(100) < percent; }

 private:
  std::mt19937_64 random_;
};

inline Pool random_pool(Dice& dice) {
  Pool pool;
  const uint32_t nodes = 1 + dice.below(6);
  for (uint32_t i = 0; i < nodes; ++i) {
    Node node{fmt::format("n{}", i), {1 + dice.below(8), dice.below(3), 0}, {}, {}};
    if (dice.chance(30)) node.room.memory = 8 + dice.below(24);
    if (dice.chance(30)) node.labels["gpu"] = dice.chance(50) ? "h100" : "a100";
    if (dice.chance(10)) node.closed = "cordoned";
    pool.nodes.push_back(std::move(node));
  }
  if (dice.chance(40)) pool.runs = 1 + dice.below(6);
  return pool;
}

inline Gang random_gang(Dice& dice) {
  Gang gang;
  gang.min = gang.max = 1 + dice.below(dice.chance(20) ? 30 : 6);
  if (dice.chance(20)) gang.max += dice.below(8);
  if (dice.chance(25)) gang.rank.gpus = 1;
  if (dice.chance(25)) gang.rank.memory = 1 + dice.below(12);
  if (dice.chance(20)) gang.labels["gpu"] = "h100";
  if (dice.chance(75)) gang.limit_us = (1 + dice.below(50)) * kSecond;
  if (dice.chance(15)) gang.earliest_us = kNow + dice.below(20) * kSecond;
  return gang;
}

}  // namespace rekindle::core::place
