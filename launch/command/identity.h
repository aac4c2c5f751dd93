// Which rank a process is, by the variables of whoever started it: Open MPI's mpirun, Slurm's srun, or
// another PMIx launcher. And where the ranks of a gang meet.
#pragma once

#include <functional>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::launch {

struct RankIdentity {
  int rank = 0;
  int world = 1;
  int local_rank = 0;
  int local_world = 1;      // ranks on this host
  bool local_known = true;  // false: the launcher did not say, and all are taken to be here
};

// nullptr: not set.
using Variables = std::function<const char*(const char*)>;

// Without any of these variables a gang of one rank is rank 0. Refused: no variables in a larger gang, a
// world that is not the plan's, and numbers that are none.
Result<RankIdentity> identity_of(const Variables& variables, uint32_t world);

// A TCP port that no other gang on this host has and nobody listens on, below the ports that the kernel gives
// away by itself. Other gangs keep off it while the claim is held; the script binds it.
struct ClaimedPort {
  Fd claim;
  int port = 0;
};
Result<ClaimedPort> claim_port();

struct Meeting {
  std::string address;
  int port = 0;
};
Status publish_meeting(const fs::path& path, const Meeting& meeting);  // rank 0, once
// Nothing while rank 0 has not published yet.
Result<Meeting> read_meeting(const fs::path& path);

}  // namespace rekindle::launch
