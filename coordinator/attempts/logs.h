// The ranks' text logs of one attempt, line by line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/attempt_folder.h"

namespace rekindle::coordinator {

struct LogLines {
  int rank = 0;
  std::vector<std::string> lines;
};

// Reads what is new each time it is asked. Bounded: at most kLogBytesMax a rank and call, and a line of
// more than that is given in pieces. Not thread-safe.
class LogReader {
 public:
  static constexpr size_t kLogBytesMax = 256 * 1024;

  // rank -1: all.
  LogReader(launch::AttemptFolder folder, uint32_t world, int rank);

  // Starts so that about the last `lines` of each log follow; 0: from the beginning.
  Status seek_tail(uint32_t lines);
  // Whole lines; with `flush`, also a last one without its end.
  Result<std::vector<LogLines>> read_new(bool flush);

 private:
  struct Source {
    int rank;
    fs::path path;
    uint64_t offset;
  };
  std::vector<Source> sources_;
};

}  // namespace rekindle::coordinator
