// What the parts of a simulated world share: the dice, the time, what went wrong, and the trace that two
// lives of one seed must have in common.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "tests/simulation/dice.h"

namespace rekindle::whole {

// Thrown where the coordinator's process dies: nothing of it runs after that.
struct Crash {
  std::string where;
};

struct Outside {
  explicit Outside(uint64_t seed, Time start) : dice(seed), clock(start) {}

  core::testing::Dice dice;
  ManualClock clock;
  bool healthy = false;  // the end of a life: no more faults
  std::vector<std::string> problems;
  std::map<std::string, int> happened;
  std::string trace;  // since the last hash
  std::string hash;   // of all before

  bool fault(uint32_t percent) { return !healthy && dice.chance(percent); }
  // Somewhere between, in whole milliseconds.
  Micros between(std::chrono::milliseconds least, std::chrono::milliseconds most) {
    return least + std::chrono::milliseconds(dice.below(static_cast<uint64_t>((most - least).count()) + 1));
  }
  void problem(std::string what) { problems.push_back(std::move(what)); }
  void count(const std::string& what) { ++happened[what]; }
  // Counts it and dies of it.
  void maybe_crash(uint32_t per_mille, const std::string& where) {
    if (healthy || dice.below(1000) >= per_mille) return;
    count("crash " + where);
    throw Crash{where};
  }
  void note(const std::string& line) {
    trace += fmt::format("{} {}\n", clock.monotonic().time_since_epoch().count() / 1000, line);
    if (trace.size() < (64u << 10)) return;
    hash = sha256_hex(hash + trace);
    trace.clear();
  }
  std::string trace_hash() const { return sha256_hex(hash + trace); }
};

}  // namespace rekindle::whole
