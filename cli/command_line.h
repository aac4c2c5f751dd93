// What `rekindle` and `rekindle-rows` have in common: their words are read, and the verb is run, alike.
#pragma once

#include "cli/verbs/verbs.h"

namespace rekindle::cli {

// Answers the exit code.
int run_command_line(int argc, char** argv, const AddVerbs& add_row_verbs);

}  // namespace rekindle::cli
