// One rank of a command job: `rekindle-gang rank` around the user's script.
//
// It sets the variables of the contract (docs/command-jobs.md), runs the script, writes its output to the
// rank's log, beats, turns what the script says into reports, hands on the wish to yield, and ends what the
// script leaves behind. How the script ended is in WorkFolder::ended(); this process leaves with 0 after a
// 75, since mpirun kills the others when one leaves with anything else, and they may be saving.
#pragma once

#include "launch/command/told.h"
#include "launch/command/work_folder.h"
#include "launch/gang/gang.h"

namespace rekindle::launch {

// Exit code of `rekindle-gang rank`. `environment`: what the script finds besides the contract's variables.
// `told`: of a gang whose fork this process is, which started it with signals blocked; it is told how the
// script ended in the place of that file, and need not be told that the rank may be signalled.
int run_script(const GangOptions& options, const WorkFolder& work, const v1::Plan& plan,
               std::vector<std::string> environment, ToldEnd* told = nullptr);

}  // namespace rekindle::launch
