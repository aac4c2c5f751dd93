// Virtual environments of Python, by the hash of what they are made from.
#pragma once

#include <string>

#include "runtime/environment.h"

namespace rekindle::runtime {

struct Venv {
  fs::path folder;
  std::string described;  // "venv <hash of lock file and Python>, Python 3.11.2"
};

// Finds or builds it: `python3 -m venv` and pip in its default configuration, with --no-deps: the lock file
// says all, and `pip check` refuses one that does not.
Result<Venv> prepare_venv(const fs::path& code, const std::string& lock, const fs::path& kept,
                          const Say& say);

}  // namespace rekindle::runtime
