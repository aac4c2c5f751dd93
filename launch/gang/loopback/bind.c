/* Loaded into mpirun alone, by LD_PRELOAD: of a gang on one host nothing may listen beyond it, and Open MPI's own
   listener takes every address whatever its parameters say. What would listen on all addresses listens on loopback.
   The programs that mpirun starts do not inherit it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

__attribute__((constructor)) static void not_inherited(void) {
  unsetenv("LD_PRELOAD");
}

int bind(int fd, const struct sockaddr* address, socklen_t length) {
  int (*next)(int, const struct sockaddr*, socklen_t) =
      (int (*)(int, const struct sockaddr*, socklen_t))dlsym(RTLD_NEXT, "bind");
  if (address != NULL && address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in here = *(const struct sockaddr_in*)address;
    if (here.sin_addr.s_addr == htonl(INADDR_ANY)) here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return next(fd, (const struct sockaddr*)&here, sizeof here);
  }
  if (address != NULL && address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
    struct sockaddr_in6 here = *(const struct sockaddr_in6*)address;
    if (IN6_IS_ADDR_UNSPECIFIED(&here.sin6_addr)) here.sin6_addr = in6addr_loopback;
    return next(fd, (const struct sockaddr*)&here, sizeof here);
  }
  return next(fd, address, length);
}
