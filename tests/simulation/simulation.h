// One seeded life of the core: people's wishes, nodes that die, launchers that answer late, observations that
// come late, twice, torn or never, a host's clock that jumps, and a process that dies before or after any
// append to its journal. After each step every invariant is checked; at the end the faults stop and
// everything must come to rest.
#pragma once

#include <deque>
#include <memory>

#include "tests/simulation/hosts.h"
#include "tests/simulation/outside.h"

namespace rekindle::core::testing {

struct SimulationOptions {
  uint64_t seed = 1;
  int steps = 300;
  uint32_t crash_percent = 5;  // of appends; half before, half after they are durable
  int64_t crash_at = -1;       // or exactly at this append
  bool crash_before = false;   // and then before it is durable
};

class Simulation {
 public:
  explicit Simulation(SimulationOptions options);
  void run();

  const std::vector<std::string>& problems() const { return problems_; }
  int64_t appends() const { return appends_; }
  std::string trace_hash() const;  // of the journal
  // What happened, for the test that the simulation is worth its name.
  std::map<std::string, int> happened() const;
  int crashes() const { return crashes_; }
  int clock_jumps() const { return clock_jumps_; }
  int node_deaths() const { return hosts_.deaths(); }
  const State& state() const { return state_; }

 private:
  void step();
  void settle();
  Command wish();
  Command replay_wish(const std::string& model);
  void submit(const Command& command);
  void deliver(bool all);
  void act(bool all);
  void restart();
  void check();
  void check_step(const v1::Event& event);
  void check_resize(const v1::Event& event);
  void check_resizes();
  void check_eviction(const v1::Event& event);
  void check_seat(const v1::Event& event);
  void check_budgets();
  World world() const;
  std::string some_job();
  std::string some_run();
  void problem(const std::string& what);

  SimulationOptions options_;
  Dice dice_;
  std::vector<std::string> problems_;
  Outside outside_;
  Hosts hosts_;
  int64_t now_us_;
  int clock_jumps_ = 0;

  State state_;
  std::vector<v1::Event> journal_;                   // durable
  v1::Snapshot snapshot_;                            // and a projection of a prefix of it
  State shadow_;                                     // the journal applied event by event, without snapshots
  std::deque<Command> seen_;                         // observations on their way
  std::map<std::string, std::string> acknowledged_;  // key -> run
  std::map<std::string, int64_t> settled_until_;     // by model
  int64_t appends_ = 0;
  int crashes_ = 0;
  int keys_ = 0;
};

}  // namespace rekindle::core::testing
