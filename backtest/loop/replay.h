// The history through the loop: what `rekindle replay` does with a daemon and a node, in one thread. A slot's
// requests are answered and its due labels told, the clock moves to its end, the coordinator judges and does
// what follows; then the next slot. docs/adr/0005 says why this order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backtest/loop/coordinator.h"
#include "backtest/loop/node.h"

namespace rekindle::backtest {

struct Triggered {
  std::string run;
  std::string cause, detail;
  int64_t as_of_us = 0;
  std::string outcome;  // "published", "rejected", ...
  std::string reason;   // why it ended so
  uint64_t version = 0;
  bool reused = false;     // the version was there before: nothing was trained
  int64_t serving_us = 0;  // event time of the first row that it answered; 0: none
};

struct Replayed {
  int64_t from_us = 0, until_us = 0;
  std::vector<Triggered> runs;
};

// Share of the history that has been played.
using Progress = std::function<void(double share, int64_t clock_us)>;

// The coordinator has begun its job. `rows` are the history's, after those of version 1.
Result<Replayed> replay(Coordinator& coordinator, Node& node, const v1::JobSpec& spec,
                        const dataio::history::Rows& rows, Micros run_takes, const Progress& progress);

}  // namespace rekindle::backtest
