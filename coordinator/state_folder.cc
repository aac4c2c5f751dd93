#include "coordinator/state_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace rekindle::coordinator {

namespace {

std::string holder(int fd) {
  char text[64] = {};
  ssize_t size = pread(fd, text, sizeof text - 1, 0);
  std::string pid(text, size > 0 ? static_cast<size_t>(size) : 0);
  while (!pid.empty() && (pid.back() == '\n' || pid.back() == ' ')) pid.pop_back();
  return pid.empty() ? "another process" : "rekindled with process id " + pid;
}

}  // namespace

Result<StateFolder> StateFolder::open(const fs::path& given, const fs::path& given_shared) {
  std::error_code error;
  fs::path path = fs::absolute(given, error).lexically_normal();
  if (error) return invalid_argument(fmt::format("state folder {}: {}", given.string(), error.message()));
  TRY_STATUS(make_folders_durably(path, 0700));
  std::string network = network_filesystem(path);
  if (!network.empty())
    return failed_precondition(
        fmt::format("state folder {} lies on {}, a network filesystem, where locks and databases do not keep "
                    "their promises: name one on a local disk (runs and artifacts may be shared)",
                    path.string(), network));
  fs::path lock_path = path / "lock";
  Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return errno_status("opening", lock_path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_status("locking", lock_path);
    return failed_precondition(
        fmt::format("state folder {} is held by {}: stop it with `rekindle down`, or name "
                    "another folder",
                    path.string(), holder(lock.get())));
  }
  if (fs::exists(path / "restoring", error))
    return failed_precondition(
        fmt::format("state folder {} is not whole: its restore did not come to an end; remove it and restore "
                    "again",
                    path.string()));
  std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.get(), 0) != 0) return errno_status("writing", lock_path);
  TRY_STATUS(write_all(lock.get(), pid, lock_path));
  fs::path shared = given_shared.empty() ? path : fs::absolute(given_shared, error).lexically_normal();
  TRY_STATUS(make_folders_durably(shared, 0750));
  return StateFolder(std::move(path), std::move(shared), std::move(lock));
}

Status StateFolder::write_address(const std::string& url) const {
  return write_file_durably(address(), url + "\n", 0600);
}

void StateFolder::remove_address() const {
  std::error_code ignored;
  fs::remove(address(), ignored);
}

}  // namespace rekindle::coordinator
