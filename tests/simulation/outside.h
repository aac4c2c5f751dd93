// The world around the core, as the simulator plays it: gangs with fates of their own, serving nodes, a
// journal in memory. It outlives crashes of the core, as the real one does. All randomness comes from one
// seed.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/wanted.h"
#include "tests/core/builders.h"

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

// One gang: started at most once, ends by its fate, by a signal, or never (until killed).
struct Gang {
  enum class Fate { kFinish, kFinishBadly, kCrash, kHang, kNodeLost, kRefuse };
  Fate fate = Fate::kFinish;
  int64_t ends_us = 0;
  bool started = false;
  bool ended = false;
  v1::EndClass end = v1::END_UNSPECIFIED;
  std::optional<v1::Outcome> outcome;
};

// A serving node follows the plan that it was last told, healthy or not.
struct Node {
  bool up = true;
  v1::ServingPlan plan;
  std::map<uint64_t, uint64_t> answered;
  std::map<uint64_t, uint64_t> failed;
  std::set<uint64_t> broken;  // versions that it cannot load
};

class Outside {
 public:
  Outside(Dice& dice, std::vector<std::string>& problems) : dice_(dice), problems_(problems) {}

  bool healthy = false;  // the end of a simulation: no more faults

  // Acts on an effect and returns what is seen of it.
  std::vector<Command> perform(const Effect& effect, const State& state, int64_t now_us);
  void pass(int64_t now_us);  // gangs end, nodes come, go and answer
  void follow_plans(const State& state, bool all);
  std::map<std::string, registry::ServingView> views(const State& state) const;

 private:
  std::vector<Command> launch(const WritePlanAndLaunch& effect, const State& state, int64_t now_us);
  std::vector<Command> watch(const WatchAttempt& effect, int64_t now_us) const;
  void end(Gang& gang, const std::string& run, uint32_t attempt);

  Dice& dice_;
  std::vector<std::string>& problems_;
  std::map<std::pair<std::string, uint32_t>, Gang> gangs_;
  std::map<std::pair<int, std::string>, Node> nodes_;  // by node and model
};

}  // namespace rekindle::core::testing
