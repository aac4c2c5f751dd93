// Faults that tests ask for in plan.fault; empty in service.
//
//   "kill rank=1 step=40"   SIGKILL of itself before that step
//   "kill-mpirun rank=0 step=40", "kill-gang rank=0 step=40"   SIGKILL of the process above it of that name
//   "exit rank=1 step=40"   leaves with code 1
//   "hang rank=0 step=20"   stops for good
//   "stop rank=1 step=40"   SIGSTOP of itself: its beats stop, too
//   "spin rank=1 step=40"   runs in circles for good, beating
//   "nan step=30"           that step's loss is not a number
//   "flip rank=1 step=20"   after that step, one bit of one of its parameters is another
//   "slow ms=20"            every step takes that much longer
//   "record"                rows and loss of each step are written down (trainer/record.h)
// Steps are counted over all fits of a run. Each may carry attempt=N (default 1: a retry is spared; 0: every
// attempt). Several are separated by ';'.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::trainer {

class Faults {
 public:
  static Result<Faults> parse(std::string_view text, int rank, uint32_t attempt);

  void before_step(uint64_t step) const;  // may not return
  bool poisons(uint64_t step) const;      // whether that step's loss is to be NaN
  bool flips(uint64_t step) const;        // whether a parameter is to be damaged after that step
  bool records() const;

 private:
  enum class Kind { kKill, kKillMpirun, kKillGang, kExit, kHang, kStop, kSpin, kNan, kFlip, kSlow, kRecord };
  bool has(Kind kind, uint64_t step) const;
  struct Fault {
    Kind kind;
    std::optional<uint64_t> step;
    uint64_t ms = 0;
  };
  std::vector<Fault> faults_;  // of this rank and attempt
};

}  // namespace rekindle::trainer
