// Durable files: what is committed here has been fsynced, its folder too, before the call returns.
// Errors name the path and the system's reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

namespace fs = std::filesystem;

// An owned file descriptor, closed on destruction.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

Status errno_status(std::string_view doing, const fs::path& path);  // from the current errno

// At most `limit_bytes`; larger files are refused, not cut.
Result<std::string> read_file(const fs::path& path, uint64_t limit_bytes = 64ull << 20);

// Temp file beside the target, write, fsync, rename, fsync of the folder. Readers see the old or the
// new content, never a part.
Status write_file_durably(const fs::path& path, std::string_view content, int mode = 0600);
Status fsync_path(const fs::path& path);  // a file or a folder
Status make_folders_durably(const fs::path& path, int mode = 0700);
Status write_all(int fd, std::string_view bytes, const fs::path& path_for_errors);

// Name of the network filesystem that holds `path` ("nfs", "lustre", ...), or empty when it is local.
std::string network_filesystem(const fs::path& path);

}  // namespace rekindle
