// How the ranks of a GPU gang find each other without MPI: their places from the launcher's environment,
// rank 0's NCCL id from a file of the attempt's folder. Knows nothing of CUDA.
#pragma once

#include <chrono>
#include <string>

#include "launch/attempt_folder.h"

namespace rekindle::trainer {

struct Place {
  int rank = 0;
  int world = 1;
  bool one_host = true;  // as far as the launcher says
};

// This process's place as mpirun, srun or another PMIx launcher numbered it. Without a launcher there is
// one rank. failed_precondition when the launcher started other ranks than the plan wants.
Result<Place> launched_place(const v1::Plan& plan);

// nccl-id of the attempt's folder: the plan's nonce and the id, put there whole. A file that speaks of
// another plan is as good as none, so that nobody joins a gang of the past.
Status offer_gang_id(const launch::AttemptFolder& folder, const v1::Plan& plan, std::string_view id);
// Waits for it; unavailable after `limit`, with what to look at.
Result<std::string> await_gang_id(const launch::AttemptFolder& folder, const v1::Plan& plan,
                                  std::chrono::milliseconds limit);

}  // namespace rekindle::trainer
