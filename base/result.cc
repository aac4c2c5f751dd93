#include "base/result.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace rekindle {

std::string_view code_name(Code code) {
  static constexpr std::array<std::string_view, 17> kNames = {
      "ok",        "canceled",       "unknown",           "invalid_argument",   "deadline_exceeded",
      "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
      "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
      "data_loss", "unauthenticated"};
  return kNames.at(static_cast<size_t>(code));
}

Status Status::within(std::string_view context) const {
  if (ok()) return *this;
  return {code_, std::string(context) + ": " + message_};
}

std::string Status::to_string() const {
  if (ok()) return "ok";
  return std::string(code_name(code_)) + ": " + message_;
}

void check_failed(const char* condition, std::string_view why, const char* file, int line) {
  std::fprintf(stderr, "rekindle: internal error at %s:%d: CHECK(%s) failed%s%.*s\n", file, line, condition,
               why.empty() ? "" : ": ", static_cast<int>(why.size()), why.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace rekindle
