#include "models/process/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <thread>

namespace rekindle::models {
namespace {

// Sweeps: a process that forks while it is looked for is found in the next one.
constexpr int kSweepsMax = 20;

uint64_t resident_bytes(pid_t pid) {
  const Result<std::string> text = read_file(fmt::format("/proc/{}/statm", pid));
  if (!text.ok()) return 0;
  const size_t blank = text->find(' ');
  uint64_t pages = 0;
  if (blank == std::string::npos) return 0;
  std::from_chars(text->data() + blank + 1, text->data() + text->size(), pages);
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Result<Child> Child::start(const ChildOptions& options, BoundedLog& log) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("making a pipe for", options.argv.front());
  Fd read_end(ends[0]);
  const Fd write_end(ends[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  SpawnOptions spawning;
  spawning.argv = options.argv;
  spawning.environment = options.environment;
  spawning.folder = options.folder;
  spawning.output_fd = write_end.get();
  spawning.die_with_parent = true;
  spawning.own_group = true;
  spawning.confined = true;
  Child child(TRY(spawn(spawning)), options.mark, log);
  child.output_ = std::move(read_end);
  child.pid_fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.pid_fd_.valid()) {
    const Status failure = errno_status("watching", options.argv.front());
    child.kill();
    return failure;
  }
  return child;
}

Child::~Child() {
  if (pid_fd_.valid()) kill();
}

void Child::wait(int other, int timeout_ms) {
  pollfd polled[] = {{pid_fd_.get(), POLLIN, 0}, {other, POLLIN, 0}, {output_.get(), POLLIN, 0}};
  ::poll(polled, output_.valid() ? 3 : 2, timeout_ms);
  if (output_.valid() && polled[2].revents != 0) drain();
}

// At most what a pipe holds: a child that prints without end must not keep its watcher here.
void Child::drain() {
  char bytes[4096];
  for (int piece = 0; piece < 16; ++piece) {
    const ssize_t n = ::read(output_.get(), bytes, sizeof bytes);
    if (n > 0) {
      log_->add(std::string_view(bytes, static_cast<size_t>(n)));
      continue;
    }
    if (n == 0) output_.reset();
    return;
  }
}

std::optional<std::string> Child::ended() const {
  siginfo_t info{};
  // Without reaping it: as long as it is a zombie its group's number is nobody else's.
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return std::nullopt;
  if (info.si_code == CLD_EXITED) return fmt::format("exit code {}", info.si_status);
  return fmt::format("killed by signal {}", info.si_status);
}

uint64_t Child::memory(bool descendants) const {
  uint64_t bytes = resident_bytes(pid_);
  if (descendants)
    for (const ProcessInfo& info : descendants_of(pid_)) bytes += resident_bytes(info.pid);
  return bytes;
}

void Child::kill() {
  if (reaped_) return;
  for (const ProcessInfo& info : descendants_of(pid_))
    signal_process(info.pid, start_ticks(info.pid), SIGKILL);
  ::kill(-pid_, SIGKILL);
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    bool found = false;
    for (const pid_t pid : processes_with_environment(mark_))
      found = signal_process(pid, start_ticks(pid), SIGKILL) || found;
    if (!found) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  if (output_.valid()) drain();
}

}  // namespace rekindle::models
