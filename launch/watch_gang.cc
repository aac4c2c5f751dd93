#include "launch/watch_gang.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "launch/gang_lock.h"

namespace rekindle::launch {
namespace {

void watch(AttemptFolder folder) {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    const Result<bool> held = gang_lock_held(folder);
    // A file that cannot be read proves nothing; a folder that was removed does, as not held.
    if (held.ok() && !*held) ::kill(::getpid(), SIGKILL);
  }
}

}  // namespace

Status watch_gang(const AttemptFolder& folder) {
  const bool held = TRY(gang_lock_held(folder));
  if (!held)
    return failed_precondition(fmt::format(
        "nobody holds {}: a trainer is started by rekindle-gang, not by hand", folder.lock().string()));
  // Signals are for the main thread.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(watch, folder).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return ok_status();
}

}  // namespace rekindle::launch
