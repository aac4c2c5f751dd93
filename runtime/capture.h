// Runs a helper program (git, pip, python) to its end and keeps what it says.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::runtime {

struct Captured {
  int code = 0;      // exit code; 128 + signal when one ended it
  std::string tail;  // the last of standard output and error, at most kTailBytes
};
inline constexpr size_t kTailBytes = 16 * 1024;

struct Patience {
  std::chrono::milliseconds limit{0};          // then deadline_exceeded; 0: none
  const std::atomic<bool>* give_up = nullptr;  // once it is true, cancelled
};

// A program that cannot be started is a failure; one that ends badly is not. `each` gets the output as it
// comes. One that is out of patience is killed with what it started.
Result<Captured> capture(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                         const fs::path& folder, const std::function<void(std::string_view)>& each = {},
                         Patience patience = {});

// The last lines of a text, at most `lines`, for a message.
std::string last_lines(std::string_view text, size_t lines);

}  // namespace rekindle::runtime
