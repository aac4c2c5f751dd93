// One seeded life of the whole coordinator in one thread: its loop, journal, effects and the watching of
// attempts are the real ones, and so is the launcher for Slurm; time, threads, gangs, Slurm, the disk under
// the journal and the clients are simulated. After each step every invariant is checked; at the end the
// faults stop and everything must come to rest, and new work must get done.
#pragma once

#include <array>
#include <deque>
#include <memory>

#include "tests/simulation/whole/process.h"

namespace rekindle::whole {

struct LifeOptions {
  uint64_t seed = 1;
  int steps = 400;
  uint32_t crash_percent = 4;  // of appends
  int64_t crash_at = -1;       // or exactly at this append
  bool crash_before = false;   // and then before it is durable
  bool calm = false;           // no other fault than that
};

// On this host: one slot, two, elastic, one that may ask others to make way, one under a time limit. In
// Slurm: one rank, three ranks. And one that never fits.
inline constexpr uint32_t kSlots = 4;
inline constexpr std::array kJobs = {"one", "two", "stretch", "urgent", "limited", "batch", "batch3", "wide"};

class Life {
 public:
  explicit Life(LifeOptions options);
  ~Life();
  void live();

  const std::vector<std::string>& problems() const { return outside_.problems; }
  std::map<std::string, int>& happened() { return outside_.happened; }
  std::string trace_hash() const { return outside_.trace_hash(); }
  int64_t appends() const { return disk_.appends; }

 private:
  // What a client asked for and has, or has not, been answered.
  struct Request {
    core::Command command;
    std::string key;  // of a submission
    bool asked = false;
    bool answered = false;
  };

  void set_up();
  void step();
  void settle();
  void prove_alive();
  void ask_all();
  boost::asio::awaitable<void> answer(std::shared_ptr<Request> request);
  void ask_until_answered(core::Command command);
  void answered(const Request& request, const Result<coordinator::Accepted>& accepted);
  void take_turns();
  void pass(Micros at_most);
  void die(bool host);
  void restart();
  // life_wishes.cc
  core::Command wish();
  core::StartRun submission(const std::string& job);
  void mishap();
  void stop_orderly();
  void block_a_folder();
  void edit_pools(uint64_t poll_seconds);
  void spoil_pools();
  void report_nodes();
  static v1::JobSpec spec(const std::string& job);
  std::string some_job();
  std::string some_run();
  // life_checks.cc
  void stored(const v1::Event& event);
  void check();
  std::string unrest() const;  // what has not come to its end, nor says why; empty: nothing

  LifeOptions options_;
  Outside outside_;
  fs::path folder_;
  Disk disk_;
  FlakyStore store_;
  Gangs gangs_;
  Slurm slurm_;
  std::unique_ptr<Process> process_;
  Instant restarts_;  // while there is none
  Instant reports_;
  bool pools_broken_ = false;

  core::State shadow_;  // what is durable, event by event
  uint64_t checked_ = 0;
  std::deque<std::shared_ptr<Request>> requests_;
  std::map<std::string, std::string> acknowledged_;    // key -> run
  std::map<std::string, uint64_t> answered_requests_;  // by node and model
  std::vector<v1::StartRunRequest> submissions_;
};

}  // namespace rekindle::whole
