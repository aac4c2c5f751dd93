#include "launch/slurm/share.h"

#include <endian.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

namespace rekindle::launch::slurm {
namespace {

// As the kernel keeps them (linux/posix_acl_xattr.h, which C++ cannot include everywhere): a version, then
// entries in the order of their tags and, among users, of their ids.
constexpr uint32_t kVersion = 2;
constexpr uint32_t kNoId = ~0u;
enum Tag : uint16_t { kOwner = 1, kUser = 2, kGroup = 4, kMask = 16, kOther = 32 };
enum Permission : uint16_t { kNone = 0, kRead = 4, kAll = 7 };

class List {
 public:
  List() { add32(kVersion); }
  void add(Tag tag, uint16_t permission, uint32_t id = kNoId) {
    add16(tag);
    add16(permission);
    add32(id);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void add16(uint16_t value) {
    value = htole16(value);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void add32(uint32_t value) {
    value = htole32(value);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::string bytes_;
};

// `mine`: whoever owns what is made there, we keep our share of it.
List list_for(uid_t with, uint16_t theirs, uint16_t own, bool mine) {
  List out;
  out.add(kOwner, own);
  const uid_t us = ::geteuid();
  if (mine && us < with) out.add(kUser, kAll, us);
  if (with != us) out.add(kUser, theirs, with);
  if (mine && us > with) out.add(kUser, kAll, us);
  out.add(kGroup, kNone);
  out.add(kMask, theirs);
  out.add(kOther, kNone);
  return out;
}

Status set(const fs::path& path, const char* which, const List& list) {
  if (::setxattr(path.c_str(), which, list.bytes().data(), list.bytes().size(), 0) == 0) return ok_status();
  if (errno == EOPNOTSUPP || errno == ENOSYS)
    return failed_precondition(
        fmt::format("{} lies on storage without POSIX access lists, which a pool with `submit_as: owner` "
                    "needs: keep runs elsewhere (--shared), or mount it with acl",
                    path.string()));
  return errno_status("sharing", path);
}

}  // namespace

Status share_folder(const fs::path& folder, uid_t with) {
  TRY_STATUS(make_folders_durably(folder, 0750));
  TRY_STATUS(set(folder, "system.posix_acl_access", list_for(with, kAll, kAll, false)));
  return set(folder, "system.posix_acl_default", list_for(with, kAll, kAll, true));
}

Status check_writable_by_group(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return errno_status("looking at", folder);
  constexpr mode_t kWanted = S_ISGID | S_IRWXG;
  if ((info.st_mode & kWanted) == kWanted) return ok_status();
  return unavailable(fmt::format(
      "{} is not for the group that users and coordinator have in common, so they cannot publish: "
      "chgrp and chmod 2770 it, and what is below it, and start rekindled with umask 007",
      folder.string()));
}

Status share_file(const fs::path& file, uid_t with) {
  return set(file, "system.posix_acl_access", list_for(with, kRead, kRead | 2, false));
}

}  // namespace rekindle::launch::slurm
