// The world around the core, as the simulator plays it: gangs with fates of their own, serving nodes, a
// journal in memory. It outlives crashes of the core, as the real one does. All randomness comes from one
// seed.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/wanted.h"
#include "tests/core/builders.h"
#include "tests/simulation/dice.h"

namespace rekindle::core::testing {

// One gang: started at most once, ends by its fate, by a signal, with a node, or never (until killed).
struct Gang {
  enum class Fate { kFinish, kFinishBadly, kFinishTorn, kCrash, kMemory, kHang, kNodeLost, kRefuse };
  Fate fate = Fate::kFinish;
  int64_t ends_us = 0;
  // A launcher with a queue of its own answers late: until then nobody can see the gang.
  int64_t seen_us = 0;
  std::set<std::string> nodes;
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
  void pass(int64_t now_us);  // gangs end, serving nodes come, go and answer
  // The host's clock was set: what is under way elsewhere takes as long as it did.
  void clock_set(int64_t by_us);
  // Everything that ran there is gone.
  void node_died(const std::string& node);
  // When live gangs last saved: the price of asking them to leave.
  std::map<RunId, int64_t> saved(int64_t now_us) const;
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
