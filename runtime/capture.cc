#include "runtime/capture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/process.h"
#include "base/units.h"

namespace rekindle::runtime {
namespace {

class Waiting {
 public:
  explicit Waiting(Patience patience)
      : patience_(patience), end_(std::chrono::steady_clock::now() + patience.limit) {}

  bool bounded() const { return patience_.limit.count() > 0 || patience_.give_up != nullptr; }

  // Until there is something to read; a failure when it is not to be waited for any longer.
  Status readable(int fd, const std::string& program) const {
    for (;;) {
      if (patience_.give_up != nullptr && patience_.give_up->load())
        return Status(Code::kCanceled, fmt::format("{} was not waited for", program));
      int64_t wait = 100;
      if (patience_.limit.count() > 0) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
        if (left.count() <= 0)
          return Status(Code::kDeadlineExceeded, fmt::format("{} did not answer within {}", program,
                                                             format_duration(patience_.limit)));
        wait = std::min<int64_t>(wait, left.count());
      }
      pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
      const int ready = ::poll(&wanted, 1, static_cast<int>(wait));
      if (ready > 0 || (ready < 0 && errno != EINTR)) return ok_status();
    }
  }

 private:
  Patience patience_;
  std::chrono::steady_clock::time_point end_;
};

}  // namespace

Result<Captured> capture(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                         const fs::path& folder, const std::function<void(std::string_view)>& each,
                         Patience patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("making a pipe for", argv.at(0));
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const Waiting waiting(patience);
  SpawnOptions spawning{.argv = argv, .environment = environment, .output_fd = write_end.get()};
  spawning.folder = folder;
  spawning.die_with_parent = true;
  spawning.own_group = waiting.bounded();
  const pid_t child = TRY(spawn(spawning));
  write_end.reset();
  Captured out;
  char buffer[4096];
  Status in_time;
  for (;;) {
    if (waiting.bounded()) in_time = waiting.readable(read_end.get(), argv[0]);
    if (!in_time.ok()) {
      ::kill(-child, SIGKILL);
      break;
    }
    const ssize_t n = ::read(read_end.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const std::string_view piece(buffer, static_cast<size_t>(n));
    if (each) each(piece);
    out.tail += piece;
    if (out.tail.size() > kTailBytes) out.tail.erase(0, out.tail.size() - kTailBytes);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  TRY_STATUS(in_time);
  out.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return out;
}

std::string last_lines(std::string_view text, size_t lines) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  size_t at = text.size();
  for (size_t seen = 0; at > 0; --at) {
    if (text[at - 1] == '\n' && ++seen == lines) break;
  }
  return std::string(text.substr(at));
}

}  // namespace rekindle::runtime
