// The parts of a command job's attempt, one after another under the gang: preparation (code, environment),
// rows, the ranks' scripts, and, when all of them left with 0, scoring.
//
// While no rank of its own beats, the gang beats for it: the coordinator sees every rank from the first
// moment to the last.
#pragma once

#include "launch/command/work_folder.h"
#include "launch/confine/confinement.h"
#include "launch/gang/gang.h"

namespace rekindle::launch {

v1::ExitRecord run_command_parts(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                                 Confinement& confinement);

}  // namespace rekindle::launch
