// A Slurm in memory that lies: answers that are late, lost, wrong or repeated, states that nobody has heard
// of. It is asked with the words of Slurm's commands and runs simulated gangs. It outlives the coordinator.
//
// What it does not claim: that a job is over, or was never there, while ranks of it are left without their
// supervisor. Against that nothing but Slurm's word tells.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/capture.h"
#include "tests/simulation/whole/gangs.h"

namespace rekindle::whole {

class Slurm {
 public:
  Slurm(Outside& outside, Gangs& gangs) : outside_(outside), gangs_(gangs) {}

  Result<runtime::Captured> run(const std::vector<std::string>& argv,
                                const std::function<void(std::string_view)>& each);
  void pass();  // up to now
  std::optional<Instant> next() const;
  // What somebody else does: preempts, cancels, puts back into the queue; nodes fail.
  void mishap();

 private:
  struct Job {
    uint64_t number = 0;
    std::string comment;
    fs::path folder;
    std::string state = "PENDING";
    std::string reason = "Priority";
    Instant turns;  // when it starts, or leaves the lists
    std::shared_ptr<Gang> gang;
    bool over = false;
  };
  struct Late {
    Instant at;
    std::vector<std::string> words;
  };
  struct Answer {
    Status failure;
    int code = 0;
    std::string text;
  };

  Answer carry_out(const std::vector<std::string>& words);
  Answer submit(const std::vector<std::string>& words);
  Answer list();
  Answer cancel(const std::vector<std::string>& words);
  Answer show(const std::vector<std::string>& words) const;
  void accept(const std::vector<std::string>& words);
  void end(Job& job, std::string state);
  void start(Job& job);
  std::string line_of(const Job& job);
  bool remains() const;  // ranks without a supervisor
  Job* find(uint64_t number);
  Job* some_running();

  Outside& outside_;
  Gangs& gangs_;
  std::deque<Job> jobs_;
  std::vector<Late> late_;  // what reaches Slurm after its command was given up
  std::string old_listing_;
};

}  // namespace rekindle::whole
