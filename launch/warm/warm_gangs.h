// One rekindle-gang that is loaded already and forks gangs, one for each attempt on this host, each ahead of
// its time: such a gang begins without the start of a program and without a copy of the coordinator's memory.
//
// Invariant: it holds nothing that an attempt needs. When it has gone, the gangs that it made go on, and the
// next are started the slow way. It goes with its coordinator.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/files.h"

namespace rekindle::launch {

class WarmGangs {
 public:
  explicit WarmGangs(fs::path program) : program_(std::move(program)) {}

  // Starts it, unless it is there. Harmless when that fails.
  void begin();
  // A gang with this command line, its output appended to the file. False: it is to be started otherwise.
  // Always false before begin().
  bool start(const std::vector<std::string>& argv, const fs::path& output);

 private:
  bool ask(const std::string& request);
  void spawn_one();

  const fs::path program_;
  std::mutex mutex_;
  bool begun_ = false;
  Fd socket_;  // what is asked for, and whether it was begun
};

// The other side, in rekindle-gang: until nobody can ask any more. `gang` is what a gang does, in a process
// of its own. `argc` and `argv` are main's: a gang's command line is written over them, for ps.
int keep_warm(int argc, char** argv, const std::function<int(const std::vector<std::string>&)>& gang);

}  // namespace rekindle::launch
