/* What a disk and a clock may do to a process, for LD_PRELOAD:
 *   SHIM_FSYNC=N      the Nth fsync or fdatasync fails with EIO and does nothing
 *   SHIM_CLOCK=FILE   the wall clock is off by the seconds that the file's first 8 bytes hold, from one moment to the
 *                     next when they change; the monotonic clock is not touched
 *   SHIM_BOOT=FILE    what /proc/sys/kernel/random/boot_id is read from */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_int synced;
static int failing;
static const volatile int64_t* offset;
static const char* boot;

__attribute__((constructor)) static void begin(void) {
  const char* nth = getenv("SHIM_FSYNC");
  if (nth != NULL) failing = atoi(nth);
  boot = getenv("SHIM_BOOT");
  const char* clock = getenv("SHIM_CLOCK");
  if (clock == NULL) return;
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, clock, O_RDONLY | O_CLOEXEC);
  void* at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) offset = at;
}

static int fails(int fd) {
  if (failing == 0 || atomic_fetch_add(&synced, 1) + 1 != failing) return 0;
  char link[64], path[512] = "?", said[700];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length > 0) path[length] = 0;
  const int bytes = snprintf(said, sizeof said, "shim: sync %d fails: %s\n", failing, path);
  ssize_t ignored = write(2, said, (size_t)bytes);
  (void)ignored;
  return 1;
}

int fsync(int fd) {
  if (!fails(fd)) return (int)syscall(SYS_fsync, fd);
  errno = EIO;
  return -1;
}
int fdatasync(int fd) {
  if (!fails(fd)) return (int)syscall(SYS_fdatasync, fd);
  errno = EIO;
  return -1;
}

static int wall(clockid_t id) { return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE; }

int clock_gettime(clockid_t id, struct timespec* out) {
  const int result = (int)syscall(SYS_clock_gettime, id, out);
  if (result == 0 && offset != NULL && wall(id)) out->tv_sec += *offset;
  return result;
}
int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  const int result = (int)syscall(SYS_gettimeofday, out, zone);
  if (result == 0 && offset != NULL) out->tv_sec += *offset;
  return result;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

static const char* instead_of(const char* path) {
  return boot != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? boot : path;
}
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return (int)syscall(SYS_openat, AT_FDCWD, instead_of(path), flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return (int)syscall(SYS_openat, AT_FDCWD, instead_of(path), flags | O_LARGEFILE, mode);
}
