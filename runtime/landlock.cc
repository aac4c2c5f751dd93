#include "runtime/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace rekindle::runtime {
namespace {

// From linux/landlock.h, which on hosts that build this may be older than the kernels that run it.
constexpr uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3,
                   kRemoveDir = 1 << 4, kRemoveFile = 1 << 5, kMakeDir = 1 << 7, kMakeReg = 1 << 8,
                   kMakeSock = 1 << 9, kMakeFifo = 1 << 10, kMakeSym = 1 << 12, kRefer = 1 << 13,
                   kTruncate = 1 << 14;
constexpr uint64_t kOfFirst = (1 << 13) - 1;  // of ABI 1, devices to be made among them
constexpr uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate;
constexpr uint64_t kScopeSockets = 1 << 0, kScopeSignals = 1 << 1;
constexpr int kRulePathBeneath = 1;
constexpr uint32_t kVersion = 1;

struct RulesetAttributes {
  uint64_t handled_files;
  uint64_t handled_network;  // from ABI 4 on
  uint64_t scoped;           // from ABI 6 on
};
struct [[gnu::packed]] PathBeneath {
  uint64_t allowed;
  int32_t parent;
};

constexpr long kCreate = 444, kAddRule = 445, kRestrict = 446;  // the same number everywhere

uint64_t rights_of(Landlock::May may) {
  switch (may) {
    case Landlock::May::kRead:
      return kExecute | kReadFile | kReadDir;
    case Landlock::May::kList:
      return kReadDir;
    case Landlock::May::kUse:
      return kReadFile | kReadDir | kWriteFile | kTruncate;
    case Landlock::May::kWrite:
      return kExecute | kReadFile | kReadDir | kWriteFile | kTruncate | kRemoveDir | kRemoveFile | kMakeDir |
             kMakeReg | kMakeSock | kMakeFifo | kMakeSym | kRefer;
    case Landlock::May::kAdd:
      return kReadFile | kReadDir | kMakeDir | kMakeReg | kRefer;
    case Landlock::May::kSwap:
      return kReadFile | kReadDir | kWriteFile | kTruncate | kMakeReg | kRemoveFile | kRefer;
  }
  return 0;
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(kCreate, nullptr, 0, kVersion);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<Landlock> Landlock::make(bool own_sockets) {
  const int abi = landlock_abi();
  if (abi < kLandlockAbiMin) return failed_precondition("this kernel has no Landlock, or one before 5.19");
  RulesetAttributes wanted{kOfFirst | kRefer, 0, 0};
  if (abi >= 3) wanted.handled_files |= kTruncate;
  if (abi >= 6) wanted.scoped = kScopeSignals | (own_sockets ? kScopeSockets : 0);
  const size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  Fd ruleset(static_cast<int>(::syscall(kCreate, &wanted, size, 0)));
  if (!ruleset.valid()) return errno_status("making a ruleset of", "Landlock");
  return Landlock(std::move(ruleset), wanted.handled_files);
}

Status Landlock::allow(const fs::path& path, May may) {
  errno = allow_raw(path.c_str(), may);
  if (errno == 0 || errno == ENOENT || errno == ENOTDIR) return ok_status();
  return errno_status("allowing", path);
}

int Landlock::allow_raw(const char* path, May may) const {
  const int follow = may == May::kRead ? 0 : O_NOFOLLOW;
  const int fd = ::open(path, O_PATH | O_CLOEXEC | follow);
  if (fd < 0) return errno;
  struct stat info {};
  const int error = ::fstat(fd, &info) == 0 ? allow_held(fd, info.st_mode, may) : errno;
  ::close(fd);
  return error;
}

int Landlock::allow_held(int fd, mode_t mode, May may) const {
  PathBeneath rule{rights_of(may) & handled_, fd};
  if (!S_ISDIR(mode)) rule.allowed &= kOfFiles;
  // A link's own inode can be granted nothing.
  if (S_ISLNK(mode)) rule.allowed = 0;
  if (rule.allowed == 0) return 0;
  return ::syscall(kAddRule, ruleset_.get(), kRulePathBeneath, &rule, 0) == 0 ? 0 : errno;
}

int Landlock::enter() const {
  return ::syscall(kRestrict, ruleset_.get(), 0) == 0 ? 0 : errno;
}

}  // namespace rekindle::runtime
