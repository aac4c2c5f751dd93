// What an attempt's files say about how it ended. outcome.pb is the truth; exit codes are hints; without
// either, the launcher's proof that the gang is lost.
#pragma once

#include <optional>
#include <string>

#include "launch/launcher.h"
#include "rekindle/v1/attempt.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::launch {

struct Ending {
  v1::EndClass end = v1::END_UNSPECIFIED;
  std::string message;  // a sentence for people
  std::optional<v1::Outcome> outcome;
  std::optional<int> rank;  // that ended it, where the files tell
  std::string host;         // that was lost
};

// The rank whose end made mpirun or srun end the others, as that says it; nothing: it does not.
std::optional<v1::RankExit> first_to_end(std::string_view mpirun_log);

// Of a gang that has ended or is lost (our CHECK otherwise). `task`: a plain task (jobs/task.h), whose ranks
// write no outcome: when all left with 0, it is done.
Ending ending_of(const AttemptFolder& folder, const GangState& state, uint32_t world, bool task = false);

}  // namespace rekindle::launch
