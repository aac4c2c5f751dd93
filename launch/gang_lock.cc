#include "launch/gang_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/files/plain_file.h"

namespace rekindle::launch {

Result<std::optional<Fd>> take_gang_lock(const AttemptFolder& folder) {
  // Whoever may write the folder may take it: the run's user, and the coordinator that bars it.
  Fd fd(::open(folder.lock().c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0660));
  if (!fd.valid()) return errno_status("opening", folder.lock());
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) return std::optional<Fd>(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) return std::optional<Fd>();
  return errno_status("locking", folder.lock());
}

Result<bool> gang_lock_held(const AttemptFolder& folder) {
  const Result<Fd> fd = open_plain_file(folder.lock());
  if (!fd.ok() && fd.status().code() == Code::kNotFound) return false;
  if (!fd.ok()) return fd.status();
  struct flock whole {};
  whole.l_type = F_RDLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd->get(), F_OFD_GETLK, &whole) != 0) return errno_status("asking for the lock", folder.lock());
  return whole.l_type != F_UNLCK;
}

Result<std::optional<v1::ExitRecord>> whole_exit(const AttemptFolder& folder) {
  Result<std::optional<v1::ExitRecord>> record = folder.read_exit();
  if (record.status().code() == Code::kDataLoss) return std::optional<v1::ExitRecord>();
  return record;
}

Result<bool> bar(const AttemptFolder& folder, v1::ExitRecord record) {
  const std::optional<Fd> lock = TRY(take_gang_lock(folder));
  if (!lock.has_value()) return false;
  record.set_barred(true);
  // A link, not a rename: on a network filesystem this host may not have heard yet of the gang's own record.
  const fs::path own = folder.root() / "exit.pb.barred";
  TRY_STATUS(write_file_durably(own, record.SerializeAsString(), 0640));
  const bool damaged = folder.read_exit().status().code() == Code::kDataLoss;
  const int linked =
      damaged ? ::rename(own.c_str(), folder.exit().c_str()) : ::link(own.c_str(), folder.exit().c_str());
  const Status failed = linked == 0 || errno == EEXIST ? ok_status() : errno_status("barring", folder.exit());
  ::unlink(own.c_str());
  TRY_STATUS(failed);
  TRY_STATUS(fsync_path(folder.root()));
  return true;
}

}  // namespace rekindle::launch
