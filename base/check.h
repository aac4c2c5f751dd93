// CHECK: an assertion about our own code that stays on in release builds and ends the process.
// Never for bad input or outside failures: those are Status values.
#pragma once

#include <string_view>

namespace rekindle {
[[noreturn]] void check_failed(const char* condition, std::string_view why, const char* file, int line);
}  // namespace rekindle

#define CHECK(condition, ...)                                                                  \
  do {                                                                                         \
    if (!(condition)) [[unlikely]]                                                             \
      ::rekindle::check_failed(#condition, std::string_view{__VA_ARGS__}, __FILE__, __LINE__); \
  } while (false)
