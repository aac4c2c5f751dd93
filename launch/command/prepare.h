// What comes before a script: its code unpacked, its environment built, the folders that it is promised.
// A program of its own, so that the gang can end it at any moment.
#pragma once

#include "launch/command/work_folder.h"
#include "launch/gang/gang.h"

namespace rekindle::launch {

// The exit code. A refusal is written to outcome.pb too, with the reason.
int run_prepare(const GangOptions& options);
int run_prepare(const AttemptFolder& folder, const WorkFolder& work, const v1::Plan& plan);

}  // namespace rekindle::launch
