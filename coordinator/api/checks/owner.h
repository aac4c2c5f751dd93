// Whose jobs and runs a submitter may touch: its own. Operators and admins answer for the whole.
#pragma once

#include <string>

#include "core/state.h"
#include "net/connect.h"

namespace rekindle::coordinator {

// Refusal of a submitter who is not the job's owner. A job that is not there is nobody's yet.
Status check_owner(const core::State& state, const net::Caller& caller, const std::string& job);

}  // namespace rekindle::coordinator
