#include "base/faults/crash_point.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

namespace rekindle::detail {
namespace {

constexpr const char* kVariable = "REKINDLE_CRASH_AT";

struct Armed {
  std::string name;
  int nth = 1;
  std::atomic<int> come{0};
};
// Leaked: threads may come to a point while the process ends.
Armed& armed() {
  static Armed* const one = new Armed;
  return *one;
}

}  // namespace

bool arm_crash_point() {
  const char* text = std::getenv(kVariable);
  if (text == nullptr) return false;
  const std::string wanted = text;
  ::unsetenv(kVariable);
  const size_t colon = wanted.find(':');
  Armed& it = armed();
  it.name = wanted.substr(0, colon);
  const char* end = wanted.data() + wanted.size();
  const bool counted = colon == std::string::npos ||
                       (std::from_chars(wanted.data() + colon + 1, end, it.nth).ptr == end && it.nth > 0);
  const bool known =
      std::find(std::begin(kCrashPoints), std::end(kCrashPoints), it.name) != std::end(kCrashPoints);
  // A test that asks for what is not there would prove nothing.
  if (!known || !counted) {
    std::fprintf(stderr, "%s=%s: no such crash point\n", kVariable, wanted.c_str());
    ::_exit(64);
  }
  return true;
}

void come_to_crash_point(std::string_view name) {
  Armed& it = armed();
  if (name != it.name || ++it.come != it.nth) return;
  const std::string said = "crash point " + it.name + " reached\n";
  ssize_t ignored = ::write(STDERR_FILENO, said.data(), said.size());
  (void)ignored;
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();  // other threads may still run; this one does not
}

}  // namespace rekindle::detail
