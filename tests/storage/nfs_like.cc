// A folder behind a file server that is none: a FUSE 3 passthrough that shows what NFS shows and local disks
// do not.
//
//   nfs_like BACKING MOUNT RULES CACHE_SECONDS      in the foreground, until it is unmounted
//
// Names, their absence and attributes are kept for CACHE_SECONDS, so that what another host (whoever writes
// to BACKING itself) did is seen late. RULES is a file that is read again whenever it changes, one rule a
// line:
//   lost OP N      the next N times OP is done, but its answer is lost, and the client's second try is told
//   what
//                  it finds: ENOENT for a rename or an unlink, EEXIST for a link, mkdir or create
//   each OP N      as lost, but every Nth time, for ever
//   fail OP E N    the next N times OP fails with E (EDQUOT, ESTALE, ENOSPC, EIO): open, read, write, fsync,
//   flush
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <fcntl.h>
#include <fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>

namespace {

class Rules {
 public:
  void use(std::string file) { file_ = std::move(file); }
  bool answer_is_lost(const std::string& op) {
    std::lock_guard lock(mutex_);
    load();
    if (auto rule = lost_.find(op); rule != lost_.end() && rule->second > 0) return --rule->second >= 0;
    auto rule = each_.find(op);
    return rule != each_.end() && ++seen_[op] % rule->second == 0;
  }
  // 0: it does not.
  int fails(const std::string& op) {
    std::lock_guard lock(mutex_);
    load();
    auto rule = fail_.find(op);
    return rule != fail_.end() && rule->second.second-- > 0 ? rule->second.first : 0;
  }

 private:
  static int number_of(const std::string& word) {
    if (word == "EDQUOT") return EDQUOT;
    if (word == "ESTALE") return ESTALE;
    if (word == "ENOSPC") return ENOSPC;
    return EIO;
  }
  void load() {
    struct stat info {};
    if (::stat(file_.c_str(), &info) != 0) return;
    const auto stamp =
        std::make_pair(info.st_ino, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec);
    if (stamp == stamp_) return;
    stamp_ = stamp;
    lost_.clear(), each_.clear(), fail_.clear();
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string what, op, error;
      int count = 0;
      words >> what >> op;
      if (what == "fail") {
        words >> error >> count;
        fail_[op] = {number_of(error), count};
      } else {
        words >> count;
        (what == "each" ? each_ : lost_)[op] = count;
      }
    }
  }
  std::mutex mutex_;
  std::string file_;
  std::pair<ino_t, long> stamp_{};
  std::map<std::string, int> lost_, each_, seen_;
  std::map<std::string, std::pair<int, int>> fail_;
};

Rules rules;
std::string backing;
double cache_seconds = 0;

std::string at(const char* path) {
  return backing + path;
}
int answer(int done) {
  return done < 0 ? -errno : 0;
}
// Of what was done: what the second try finds where the first one's answer was lost.
int answer_of(const char* op, int done, int second) {
  if (done < 0) return -errno;
  return rules.answer_is_lost(op) ? -second : 0;
}
#define FAIL_IF_TOLD(op) \
  if (const int error = rules.fails(op)) return -error

void* do_init(fuse_conn_info*, fuse_config* config) {
  config->use_ino = 1;
  config->nullpath_ok = 1;  // an open file goes on without a name
  config->attr_timeout = config->entry_timeout = config->negative_timeout = cache_seconds;
  return nullptr;
}
int do_getattr(const char* path, struct stat* info, fuse_file_info* file) {
  if (file != nullptr) return answer(::fstat(static_cast<int>(file->fh), info));
  return answer(::lstat(at(path).c_str(), info));
}
int do_readlink(const char* path, char* buffer, size_t size) {
  const ssize_t n = ::readlink(at(path).c_str(), buffer, size - 1);
  if (n < 0) return -errno;
  buffer[n] = 0;
  return 0;
}
int do_opendir(const char* path, fuse_file_info* folder) {
  const int fd = ::open(at(path).c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return -errno;
  folder->fh = static_cast<uint64_t>(fd);
  return 0;
}
int do_releasedir(const char*, fuse_file_info* folder) {
  ::close(static_cast<int>(folder->fh));
  return 0;
}
int do_readdir(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info* opened,
               fuse_readdir_flags) {
  DIR* folder = ::fdopendir(::dup(static_cast<int>(opened->fh)));
  if (folder == nullptr) return -errno;
  ::rewinddir(folder);
  while (const dirent* entry = ::readdir(folder)) {
    struct stat info {};
    info.st_ino = entry->d_ino;
    info.st_mode = static_cast<mode_t>(entry->d_type) << 12;
    if (fill(buffer, entry->d_name, &info, 0, fuse_fill_dir_flags{}) != 0) break;
  }
  ::closedir(folder);
  return 0;
}
int do_mkdir(const char* path, mode_t mode) {
  return answer_of("mkdir", ::mkdir(at(path).c_str(), mode), EEXIST);
}
int do_unlink(const char* path) {
  return answer_of("unlink", ::unlink(at(path).c_str()), ENOENT);
}
int do_rmdir(const char* path) {
  return answer(::rmdir(at(path).c_str()));
}
int do_symlink(const char* from, const char* to) {
  return answer(::symlink(from, at(to).c_str()));
}
int do_rename(const char* from, const char* to, unsigned flags) {
  if (flags != 0) return -EINVAL;
  return answer_of("rename", ::rename(at(from).c_str(), at(to).c_str()), ENOENT);
}
int do_link(const char* from, const char* to) {
  return answer_of("link", ::link(at(from).c_str(), at(to).c_str()), EEXIST);
}
int do_chmod(const char* path, mode_t mode, fuse_file_info* file) {
  if (file != nullptr) return answer(::fchmod(static_cast<int>(file->fh), mode));
  return answer(::chmod(at(path).c_str(), mode));
}
int do_chown(const char* path, uid_t uid, gid_t gid, fuse_file_info* file) {
  if (file != nullptr) return answer(::fchown(static_cast<int>(file->fh), uid, gid));
  return answer(::lchown(at(path).c_str(), uid, gid));
}
int do_truncate(const char* path, off_t size, fuse_file_info* file) {
  if (file != nullptr) return answer(::ftruncate(static_cast<int>(file->fh), size));
  return answer(::truncate(at(path).c_str(), size));
}
int do_utimens(const char* path, const timespec times[2], fuse_file_info* file) {
  if (file != nullptr) return answer(::futimens(static_cast<int>(file->fh), times));
  return answer(::utimensat(AT_FDCWD, at(path).c_str(), times, AT_SYMLINK_NOFOLLOW));
}
int do_open(const char* path, fuse_file_info* file) {
  FAIL_IF_TOLD("open");
  const int fd = ::open(at(path).c_str(), file->flags & ~O_NOFOLLOW);
  if (fd < 0) return -errno;
  file->fh = static_cast<uint64_t>(fd);
  return 0;
}
int do_create(const char* path, mode_t mode, fuse_file_info* file) {
  const int fd = ::open(at(path).c_str(), file->flags, mode);
  if (fd < 0) return -errno;
  if ((file->flags & O_EXCL) != 0 && rules.answer_is_lost("create")) {
    ::close(fd);
    return -EEXIST;
  }
  file->fh = static_cast<uint64_t>(fd);
  return 0;
}
int do_read(const char*, char* buffer, size_t size, off_t offset, fuse_file_info* file) {
  FAIL_IF_TOLD("read");
  const ssize_t n = ::pread(static_cast<int>(file->fh), buffer, size, offset);
  return n < 0 ? -errno : static_cast<int>(n);
}
int do_write(const char*, const char* buffer, size_t size, off_t offset, fuse_file_info* file) {
  FAIL_IF_TOLD("write");
  const ssize_t n = ::pwrite(static_cast<int>(file->fh), buffer, size, offset);
  return n < 0 ? -errno : static_cast<int>(n);
}
int do_flush(const char*, fuse_file_info*) {
  FAIL_IF_TOLD("flush");
  return 0;
}
int do_fsync(const char*, int, fuse_file_info* file) {
  FAIL_IF_TOLD("fsync");
  return answer(::fsync(static_cast<int>(file->fh)));
}
int do_fsyncdir(const char*, int, fuse_file_info*) {
  return 0;
}
int do_release(const char*, fuse_file_info* file) {
  ::close(static_cast<int>(file->fh));
  return 0;
}
int do_statfs(const char* path, struct statvfs* info) {
  return answer(::statvfs(at(path).c_str(), info));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: nfs_like BACKING MOUNT RULES CACHE_SECONDS\n", stderr);
    return 64;
  }
  backing = argv[1];
  rules.use(argv[3]);
  cache_seconds = std::atof(argv[4]);
  fuse_operations operations{};
  operations.init = do_init;
  operations.getattr = do_getattr;
  operations.readlink = do_readlink;
  operations.opendir = do_opendir;
  operations.readdir = do_readdir;
  operations.releasedir = do_releasedir;
  operations.mkdir = do_mkdir;
  operations.unlink = do_unlink;
  operations.rmdir = do_rmdir;
  operations.symlink = do_symlink;
  operations.rename = do_rename;
  operations.link = do_link;
  operations.chmod = do_chmod;
  operations.chown = do_chown;
  operations.truncate = do_truncate;
  operations.utimens = do_utimens;
  operations.open = do_open;
  operations.create = do_create;
  operations.read = do_read;
  operations.write = do_write;
  operations.flush = do_flush;
  operations.fsync = do_fsync;
  operations.fsyncdir = do_fsyncdir;
  operations.release = do_release;
  operations.statfs = do_statfs;
  ::umask(0);
  std::string name = argv[0], mount = argv[2], foreground = "-f", option = "-o", how = "default_permissions";
  char* words[] = {name.data(), foreground.data(), option.data(), how.data(), mount.data(), nullptr};
  return fuse_main(5, words, &operations, nullptr);
}
