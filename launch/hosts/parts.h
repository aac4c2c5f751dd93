// What rekindle-gang does on a host of a pool when the launch agent starts it there:
//
//   answer   says that it is there: the host, the agent and the programs work
//   prove    sees the attempt's folder with this nonce and the gang's lock on it, and writes there too
//   sweep    ends what is left of the attempt, and removes its scratch folder
#pragma once

#include <string>
#include <vector>

#include "launch/attempt_folder.h"

namespace rekindle::launch {

struct HostPart {
  std::string part;
  fs::path folder;   // of the attempt, absolute
  fs::path scratch;  // made by prove, removed by sweep
  fs::path trainer;
  std::string host;  // as the pool calls it
  std::string nonce;
};

inline constexpr int kHostRefuses = 78;  // cannot work however often it is tried; the output says why
inline constexpr int kHostRemains = 70;  // sweep: something would not die

int run_on_host(const HostPart& part);

// The command that a host is to run, with the programs as the host has them.
std::vector<std::string> host_command(const std::string& gang, const HostPart& part);

}  // namespace rekindle::launch
