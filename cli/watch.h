// Waiting for a run: its progress as lines, until it is terminal or held. For `wait`, `run --wait`, `score`.
#pragma once

#include <chrono>
#include <optional>

#include "cli/context.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::cli {

struct WaitOptions {
  std::optional<std::chrono::milliseconds> timeout;  // none: as long as it takes
  bool through_hold = false;                         // a held run is waited for, too
};

// The run when it has ended, or when it is held. deadline_exceeded after the timeout; canceled after
// Ctrl-C, with the words to go on with. A lost connection is taken up again.
Result<v1::Run> wait_for_run(const Context& context, const std::string& run, const WaitOptions& options);

// Prints the run, or its JSON, and answers the exit code that its state means.
int report_end(const Context& context, const v1::Run& run);

}  // namespace rekindle::cli
