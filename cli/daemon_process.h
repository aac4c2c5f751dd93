// Starting rekindled on this host and knowing when it has ended; for `up` and `down`.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle::cli {

namespace fs = std::filesystem;

// Beside this program.
Result<fs::path> sibling_program(std::string_view name);

// Whether `url` answers GET /health with 200. `authority` as in net::ClientOptions.
bool answers(const std::string& url, const std::string& authority);

// Starts rekindled in a session of its own with its output in STATE/rekindled.log and waits until it
// answers. Returns its URL. When it ends instead, the error holds the end of its log.
Result<std::string> start_daemon(const fs::path& program, const fs::path& state,
                                 const std::vector<std::string>& arguments, std::chrono::seconds patience);

// Until no process holds STATE/lock. False when one still does.
bool wait_until_released(const fs::path& state, std::chrono::seconds patience);

}  // namespace rekindle::cli
