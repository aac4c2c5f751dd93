#include "launch/gang_lock.h"

#include <fcntl.h>

#include <cerrno>

namespace rekindle::launch {

Result<std::optional<Fd>> take_gang_lock(const AttemptFolder& folder) {
  Fd fd(::open(folder.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!fd.valid()) return errno_status("opening", folder.lock());
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) return std::optional<Fd>(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) return std::optional<Fd>();
  return errno_status("locking", folder.lock());
}

Result<bool> gang_lock_held(const AttemptFolder& folder) {
  Fd fd(::open(folder.lock().c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return false;
    return errno_status("opening", folder.lock());
  }
  struct flock whole {};
  whole.l_type = F_RDLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_GETLK, &whole) != 0) return errno_status("asking for the lock", folder.lock());
  return whole.l_type != F_UNLCK;
}

}  // namespace rekindle::launch
