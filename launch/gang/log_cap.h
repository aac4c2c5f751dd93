// Logs that programs write themselves, kept from filling the disk: cut off at a bound each time they are
// looked at, with their newest end kept for the last moment, where errors stand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"

namespace rekindle::launch {

class LogCap {
 public:
  LogCap(std::vector<fs::path> logs, uint64_t bytes_max) : logs_(std::move(logs)), bytes_max_(bytes_max) {}

  // Often: what is written between two looks is on the disk for so long.
  void look();
  // When nobody writes any more: adds the end of what was dropped.
  void finish();

 private:
  static constexpr uint64_t kEndBytes = 16 * 1024;
  struct Cut {
    uint64_t length = 0;  // with our line
    uint64_t dropped = 0;
    std::string end;
  };
  void cut(const fs::path& log);

  const std::vector<fs::path> logs_;
  const uint64_t bytes_max_;
  std::map<fs::path, Cut> cuts_;
};

}  // namespace rekindle::launch
