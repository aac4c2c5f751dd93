#include "file_faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace rekindle::trainer {
namespace {

template <typename F>
F* real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

// What the child did and did not yet make last.
struct Watch {
  FileFault fault;
  std::string root;
  uint64_t* calls = nullptr;  // in memory shared with the parent
  std::set<std::string> dirty;
  std::set<std::string> fresh;  // names whose folder was not fsynced since
  std::vector<std::pair<std::string, std::string>> renames;
};
Watch* watch = nullptr;  // only in an armed child

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

bool watched(const std::string& path) {
  return watch != nullptr && path.starts_with(watch->root);
}

std::string path_of(int fd) {
  char buffer[4096];
  const ssize_t n = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), buffer, sizeof(buffer));
  return n < 0 ? "" : std::string(buffer, static_cast<size_t>(n));
}

std::string path_at(int folder, const char* path) {
  return path[0] == '/' || folder == AT_FDCWD ? path : path_of(folder) + "/" + path;
}

[[noreturn]] void die() {
  Watch& w = *std::exchange(watch, nullptr);
  if (w.fault.undo_renames) {
    for (auto it = w.renames.rbegin(); it != w.renames.rend(); ++it) {
      ::rename(it->second.c_str(), it->first.c_str());
      for (auto* set : {&w.dirty, &w.fresh}) {
        std::set<std::string> moved;
        for (const auto& path : *set) {
          moved.insert(path.starts_with(it->second + "/") ? it->first + path.substr(it->second.size())
                                                          : path);
        }
        *set = moved;
      }
    }
  }
  if (w.fault.lose_bytes) {
    for (const auto& path : w.dirty) ::truncate(path.c_str(), 0);
  }
  if (w.fault.lose_names) {
    std::error_code ignored;
    for (const auto& path : w.fresh) std::filesystem::remove_all(path, ignored);
  }
  ::kill(getpid(), SIGKILL);
  ::abort();
}

// Counts one call; true: it is to fail.
bool strike() {
  ++*watch->calls;
  if (*watch->calls != watch->fault.at) return false;
  switch (watch->fault.kind) {
    case FileFault::Kind::kKill:
      die();
    case FileFault::Kind::kTear:
      return true;  // write does its half first
    case FileFault::Kind::kFail:
      errno = watch->fault.error;
      return true;
    case FileFault::Kind::kNone:
      break;
  }
  return false;
}

bool strike_whole() {
  const bool hit = strike();
  if (hit && watch->fault.kind == FileFault::Kind::kTear) die();
  return hit;
}

void renamed(const std::string& from, const std::string& to) {
  for (auto* set : {&watch->dirty, &watch->fresh}) {
    std::set<std::string> moved;
    for (const auto& path : *set) {
      const bool within = path == from || path.starts_with(from + "/");
      moved.insert(within ? to + path.substr(from.size()) : path);
    }
    *set = moved;
  }
  watch->renames.emplace_back(from, to);
}

void synced(const std::string& path) {
  watch->dirty.erase(path);
  std::erase_if(watch->fresh, [&](const auto& name) { return folder_of(name) == path; });
  std::erase_if(watch->renames, [&](const auto& pair) { return folder_of(pair.second) == path; });
}

}  // namespace

int run_with_fault(const FileFault& fault, const std::string& root, const std::function<int()>& body,
                   uint64_t* calls) {
  auto* shared = static_cast<uint64_t*>(
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t pid = fork();
  if (pid == 0) {
    watch = new Watch{fault, root, shared, {}, {}, {}};
    const int result = body();
    watch = nullptr;
    _exit(result);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (calls != nullptr) *calls = *shared;
  munmap(shared, sizeof(uint64_t));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace rekindle::trainer

using namespace rekindle::trainer;

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  static auto* next = real<ssize_t(int, const void*, size_t)>("write");
  if (watch != nullptr && watched(path_of(fd))) {
    if (strike()) {
      if (watch->fault.kind == FileFault::Kind::kFail) return -1;
      next(fd, bytes, size / 2);
      die();
    }
    watch->dirty.insert(path_of(fd));
  }
  return next(fd, bytes, size);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  static auto* next = real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  if (watch != nullptr && watched(path_of(fd))) {
    if (strike()) {
      if (watch->fault.kind == FileFault::Kind::kFail) return -1;
      next(fd, bytes, size / 2, at);
      die();
    }
    watch->dirty.insert(path_of(fd));
  }
  return next(fd, bytes, size, at);
}

int fsync(int fd) {
  static auto* next = real<int(int)>("fsync");
  if (watch != nullptr && watched(path_of(fd))) {
    if (strike_whole()) return -1;
    synced(path_of(fd));
  }
  return next(fd);
}

int fdatasync(int fd) {
  static auto* next = real<int(int)>("fdatasync");
  if (watch != nullptr && watched(path_of(fd))) {
    if (strike_whole()) return -1;
    synced(path_of(fd));
  }
  return next(fd);
}

int ftruncate(int fd, off_t size) noexcept {
  static auto* next = real<int(int, off_t)>("ftruncate");
  if (watch != nullptr && watched(path_of(fd))) {
    if (strike_whole()) return -1;
    watch->dirty.insert(path_of(fd));
  }
  return next(fd, size);
}

int rename(const char* from, const char* to) noexcept {
  static auto* next = real<int(const char*, const char*)>("rename");
  if (watched(to)) {
    if (strike_whole()) return -1;
    const int result = next(from, to);
    if (result == 0) renamed(from, to);
    return result;
  }
  return next(from, to);
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* next = real<int(const char*, mode_t)>("mkdir");
  if (watched(path)) {
    if (strike_whole()) return -1;
    const int result = next(path, mode);
    if (result == 0) watch->fresh.insert(path);
    return result;
  }
  return next(path, mode);
}

int open(const char* path, int flags, ...) {
  static auto* next = real<int(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(rest, unsigned)) : 0;
  va_end(rest);
  if ((flags & O_CREAT) != 0 && watched(path)) {
    if (strike_whole()) return -1;
    const int fd = next(path, flags, mode);
    if (fd >= 0) watch->fresh.insert(path);
    return fd;
  }
  return next(path, flags, mode);
}

int unlink(const char* path) noexcept {
  static auto* next = real<int(const char*)>("unlink");
  if (watched(path) && strike_whole()) return -1;
  return next(path);
}

int rmdir(const char* path) noexcept {
  static auto* next = real<int(const char*)>("rmdir");
  if (watched(path) && strike_whole()) return -1;
  return next(path);
}

int remove(const char* path) noexcept {
  static auto* next = real<int(const char*)>("remove");
  if (watched(path) && strike_whole()) return -1;
  return next(path);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  static auto* next = real<int(int, const char*, int)>("unlinkat");
  if (watch != nullptr && watched(path_at(folder, path)) && strike_whole()) return -1;
  return next(folder, path, flags);
}

}  // extern "C"
