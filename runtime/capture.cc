#include "runtime/capture.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/process.h"

namespace rekindle::runtime {

Result<Captured> capture(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                         const fs::path& folder, const std::function<void(std::string_view)>& each) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("making a pipe for", argv.at(0));
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  SpawnOptions spawning{.argv = argv, .environment = environment, .output_fd = write_end.get()};
  spawning.folder = folder;
  spawning.die_with_parent = true;
  const pid_t child = TRY(spawn(spawning));
  write_end.reset();
  Captured out;
  char buffer[4096];
  for (;;) {
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
