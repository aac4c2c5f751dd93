// The variables that a script finds: the ones of torchrun, and the contract's own.
#pragma once

#include <string>
#include <vector>

#include "launch/command/identity.h"
#include "launch/command/work_folder.h"

namespace rekindle::launch {

// `inherited`: "NAME=value" of this process, of which those that are set here are replaced.
std::vector<std::string> script_variables(const v1::Plan& plan, const WorkFolder& work,
                                          const RankIdentity& identity, const Meeting& meeting,
                                          std::vector<std::string> inherited);

}  // namespace rekindle::launch
