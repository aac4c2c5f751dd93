// REKINDLE_SEEDS=n runs n seeds (default 1,000; nightly 100,000) from REKINDLE_FIRST on; REKINDLE_SEED=s that
// one alone.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace rekindle::core::testing {
namespace {

uint64_t number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string told(const Simulation& simulation) {
  std::string text;
  for (size_t i = 0; i < simulation.problems().size() && i < 5; ++i)
    text += "\n  " + simulation.problems()[i];
  return text;
}

TEST(Simulation, SeedsWithCrashesAndLostNews) {
  const uint64_t one = number("REKINDLE_SEED", 0);
  const uint64_t first = one ? one : number("REKINDLE_FIRST", 1);
  const uint64_t last = one ? one : first + number("REKINDLE_SEEDS", 1000) - 1;
  int crashes = 0, failed = 0, jumps = 0, deaths = 0;
  std::map<std::string, int> happened;
  for (uint64_t seed = first; seed <= last && failed < 3; ++seed) {
    Simulation simulation({.seed = seed});
    simulation.run();
    for (const auto& [what, count] : simulation.happened()) happened[what] += count;
    crashes += simulation.crashes();
    jumps += simulation.clock_jumps();
    deaths += simulation.node_deaths();
    if (simulation.problems().empty()) continue;
    ++failed;
    ADD_FAILURE() << "REKINDLE_SEED=" << seed << " simulation_test" << told(simulation);
  }
  std::string text =
      fmt::format("seeds {} to {}: {} crashes of the core, {} jumps of its clock, {} nodes lost", first, last,
                  crashes, jumps, deaths);
  for (const auto& [what, count] : happened) text += fmt::format(", {} {}", count, what);
  std::cout << text << '\n';
  if (one) return;
  // A simulation in which nothing happens proves nothing.
  const auto seeds = static_cast<int>(last - first + 1);
  EXPECT_GT(crashes, seeds);
  EXPECT_GT(jumps, seeds / 10);
  EXPECT_GT(deaths, seeds);
  for (const char* what : {"PUBLISHED",
                           "REJECTED",
                           "FAILED_RUN",
                           "CANCELLED",
                           "HELD",
                           "triggered",
                           "retried",
                           "killed",
                           "asked to grow",
                           "grown",
                           "placed on GPUs",
                           "asked to make way",
                           "placed on several nodes",
                           "END_PREEMPTED",
                           "END_OUT_OF_MEMORY",
                           "END_LAUNCH_FAILED",
                           "END_DATA_REFUSED",
                           "BAKING",
                           "PROMOTED",
                           "ROLLED_BACK",
                           "SUPERSEDED"})
    EXPECT_GT(happened[what], seeds / 20) << what;
}

TEST(Simulation, ACrashAtEveryAppend) {
  SimulationOptions options{.seed = 7, .steps = 150, .crash_percent = 0};
  Simulation calm(options);
  calm.run();
  ASSERT_TRUE(calm.problems().empty()) << told(calm);
  ASSERT_GT(calm.appends(), 40);
  for (int64_t at = 0; at < calm.appends(); ++at)
    for (bool before : {true, false}) {
      options.crash_at = at;
      options.crash_before = before;
      Simulation simulation(options);
      simulation.run();
      ASSERT_EQ(simulation.crashes(), 1);
      ASSERT_TRUE(simulation.problems().empty()) << "crash " << (before ? "before" : "after") << " append "
                                                 << at << " is durable" << told(simulation);
    }
}

TEST(Simulation, OneSeedOneHistory) {
  Simulation a({.seed = 3}), b({.seed = 3}), c({.seed = 4});
  a.run();
  b.run();
  c.run();
  EXPECT_EQ(a.trace_hash(), b.trace_hash());
  EXPECT_NE(a.trace_hash(), c.trace_hash());
}

}  // namespace
}  // namespace rekindle::core::testing
