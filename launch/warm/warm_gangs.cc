#include "launch/warm/warm_gangs.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "base/process.h"
#include "runtime/environment.h"

namespace rekindle::launch {
namespace {

// For a fork, on a machine that has other things to do.
constexpr int kAnswerMs = 5'000;
// Room for the command lines of gangs.
constexpr size_t kTitleBytes = 2'048;

}  // namespace

void WarmGangs::begin() {
  std::lock_guard lock(mutex_);
  begun_ = true;
  if (!socket_.valid()) spawn_one();
}

void WarmGangs::spawn_one() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  SpawnOptions spawning;
  spawning.argv = {program_.string(), "warm", std::string(kTitleBytes, ' ')};
  spawning.environment = runtime::host_environment();
  // Functions of libraries are found once, here, and not again in each gang.
  spawning.environment.emplace_back("LD_BIND_NOW=1");
  spawning.input_fd = theirs.get();
  spawning.new_session = true;
  const Result<pid_t> spawned = spawn(spawning);
  if (spawned.ok())
    socket_ = std::move(ours);
  else
    log_warning("gangs are started from the disk, each anew", {{"reason", spawned.status().message()}});
}

bool WarmGangs::start(const std::vector<std::string>& argv, const fs::path& output) {
  std::string request = output.string() + '\0';
  for (const std::string& word : argv) request += word + '\0';
  std::lock_guard lock(mutex_);
  if (!begun_) return false;
  // Somebody may have ended it.
  for (int tries = 0; tries < 2; ++tries) {
    if (!socket_.valid()) spawn_one();
    if (!socket_.valid()) return false;
    if (ask(request)) return true;
    socket_.reset();
  }
  return false;
}

bool WarmGangs::ask(const std::string& request) {
  if (::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  pollfd answer{socket_.get(), POLLIN, 0};
  int failed = 0;
  return ::poll(&answer, 1, kAnswerMs) == 1 &&
         ::recv(socket_.get(), &failed, sizeof failed, MSG_DONTWAIT) == sizeof failed && failed == 0;
}

}  // namespace rekindle::launch
