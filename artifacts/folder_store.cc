// ROOT/blobs/ab/<sha256> and ROOT/tmp. Every open walks down from the root with O_NOFOLLOW: a symbolic
// link anywhere below the root is refused, so nothing outside can be read or overwritten.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "artifacts/store.h"
#include "base/faults/crash_point.h"
#include "base/files.h"
#include "base/files/shared.h"
#include "base/hash.h"
#include "base/ids.h"

namespace rekindle::artifacts {
namespace {

constexpr int kCreationsMost = 5;
constexpr size_t kChunkBytes = 1 << 20;
constexpr time_t kStaleTempSeconds = 24 * 3600;

Status full_disk_hint(Status status, const fs::path& root) {
  if (status.code() != Code::kResourceExhausted) return status;
  return resource_exhausted(fmt::format("{}; free space on the disk that holds {} or raise its quota",
                                        status.message(), root.string()));
}

Status check_sha(std::string_view sha256) {
  if (is_sha256_hex(sha256)) return ok_status();
  return invalid_argument(
      fmt::format("'{}' is not the name of a blob: 64 lower-case hex digits", sha256.substr(0, 80)));
}

class FolderStore final : public Store {
 public:
  FolderStore(fs::path root, Fd blobs, Fd temp)
      : root_(std::move(root)), blobs_(std::move(blobs)), temp_(std::move(temp)) {}

  Result<std::string> put(std::string_view bytes) override {
    const std::string sha = sha256_hex(bytes);
    if (TRY(holds_intact(sha, bytes.size()))) return sha;
    TempFile temp = TRY(make_temp());
    Status status = write_all(temp.fd.get(), bytes, root_ / "tmp" / temp.name);
    if (status.ok()) status = commit(temp, sha);
    return finish(std::move(status), temp, sha);
  }

  Result<std::string> put_file(const fs::path& file) override {
    Fd source(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!source.valid()) return errno_status("opening", file);
    TempFile temp = TRY(make_temp());
    Sha256 hash;
    uint64_t size = 0;
    Status status;
    std::string buffer(kChunkBytes, '\0');
    while (status.ok()) {
      const ssize_t n = ::read(source.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) status = errno_status("reading", file);
      if (n <= 0) break;
      const std::string_view chunk(buffer.data(), static_cast<size_t>(n));
      hash.update(chunk);
      size += chunk.size();
      status = write_all(temp.fd.get(), chunk, root_ / "tmp" / temp.name);
    }
    const std::string sha = hash.finish_hex();
    if (status.ok()) {
      Result<bool> held = holds_intact(sha, size);
      if (!held.ok() || *held) {
        discard(temp);
        if (!held.ok()) return held.status();
        return sha;
      }
      status = commit(temp, sha);
    }
    return finish(std::move(status), temp, sha);
  }

  Result<std::string> get(std::string_view sha256, uint64_t limit_bytes) const override {
    const Fd fd = TRY(open_blob(sha256));
    const uint64_t size = TRY(size_of(fd, sha256));
    if (size > limit_bytes)
      return invalid_argument(fmt::format("blob {} has {} bytes, more than the {} allowed here",
                                          blob_path(sha256).string(), size, limit_bytes));
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < bytes.size()) {
      const ssize_t n = ::pread(fd.get(), bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_status("reading", blob_path(sha256));
      if (n == 0) break;
      have += static_cast<size_t>(n);
    }
    bytes.resize(have);
    if (sha256_hex(bytes) != sha256) return damaged(sha256);
    return bytes;
  }

  Result<fs::path> path(std::string_view sha256, Verify verify) const override {
    const Fd fd = TRY(open_blob(sha256));
    TRY(size_of(fd, sha256));
    if (verify == Verify::kHash && TRY(hash_of(fd, sha256)) != sha256) return damaged(sha256);
    return blob_path(sha256);
  }

  Result<uint64_t> size(std::string_view sha256) const override {
    const Fd fd = TRY(open_blob(sha256));
    return size_of(fd, sha256);
  }

  Result<bool> exists(std::string_view sha256) const override {
    Result<Fd> fd = open_blob(sha256);
    if (fd.ok()) return true;
    if (fd.status().code() == Code::kNotFound) return false;
    return fd.status();
  }

  std::string describe() const override { return "the folder " + root_.string(); }

  // Temp files of writers that were killed long ago.
  void remove_stale_temps() const {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(root_ / "tmp", ignored)) {
      struct stat info {};
      if (::fstatat(temp_.get(), entry.path().filename().c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (::time(nullptr) - info.st_mtime > kStaleTempSeconds)
        ::unlinkat(temp_.get(), entry.path().filename().c_str(), 0);
    }
  }

 private:
  struct TempFile {
    std::string name;
    Fd fd;
  };

  fs::path blob_path(std::string_view sha256) const {
    return root_ / "blobs" / std::string(sha256.substr(0, 2)) / std::string(sha256);
  }

  Status damaged(std::string_view sha256) const {
    return data_loss(
        fmt::format("blob {} no longer has the hash that it is named by: the disk damaged it or "
                    "somebody wrote to it; restore it from a copy, or make it anew",
                    blob_path(sha256).string()));
  }

  Result<Fd> open_blob(std::string_view sha256) const {
    TRY_STATUS(check_sha(sha256));
    const auto absent = [&]() -> Status {
      if (errno == ENOENT)
        return not_found(fmt::format("no blob {} in the artifact store {}", sha256, root_.string()));
      if (errno == ELOOP || errno == ENOTDIR)
        return permission_denied(
            fmt::format("{} or its folder is a symbolic link; the artifact store follows none",
                        blob_path(sha256).string()));
      return errno_status("opening", blob_path(sha256));
    };
    const std::string shard(sha256.substr(0, 2)), name(sha256);
    const Fd folder(::openat(blobs_.get(), shard.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.valid()) return absent();
    // O_NONBLOCK: a FIFO put in a blob's place must not hang its reader.
    Fd fd(::openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) return absent();
    return fd;
  }

  Result<uint64_t> size_of(const Fd& fd, std::string_view sha256) const {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return errno_status("reading", blob_path(sha256));
    if (!S_ISREG(info.st_mode))
      return data_loss(fmt::format("{} is not a regular file", blob_path(sha256).string()));
    return static_cast<uint64_t>(info.st_size);
  }

  Result<std::string> hash_of(const Fd& fd, std::string_view sha256) const {
    Sha256 hash;
    std::string buffer(kChunkBytes, '\0');
    for (off_t at = 0;;) {
      const ssize_t n = ::pread(fd.get(), buffer.data(), buffer.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_status("reading", blob_path(sha256));
      if (n == 0) return hash.finish_hex();
      hash.update(std::string_view(buffer.data(), static_cast<size_t>(n)));
      at += n;
    }
  }

  // Whether the blob is there with the right bytes; a damaged one counts as absent and is replaced.
  Result<bool> holds_intact(const std::string& sha, uint64_t size) const {
    Result<Fd> fd = open_blob(sha);
    if (!fd.ok() && fd.status().code() == Code::kNotFound) return false;
    if (!fd.ok()) return fd.status();
    const Result<uint64_t> held = size_of(*fd, sha);
    if (!held.ok() || *held != size) return false;
    return TRY(hash_of(*fd, sha)) == sha;
  }

  Result<TempFile> make_temp() {
    TempFile temp;
    // Nobody else has that name: a file server whose answer was lost was asked twice, and made one that
    // stays.
    for (int i = 0; i < kCreationsMost && !temp.fd.valid(); ++i) {
      temp.name = random_hex(12);
      temp.fd = Fd(::openat(temp_.get(), temp.name.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0440));
      if (temp.fd.valid() || errno != EEXIST) break;
      ::unlinkat(temp_.get(), temp.name.c_str(), 0);
      errno = EEXIST;
    }
    if (!temp.fd.valid()) return full_disk_hint(errno_status("creating", root_ / "tmp" / temp.name), root_);
    return temp;
  }

  void discard(TempFile& temp) {
    temp.fd.reset();
    ::unlinkat(temp_.get(), temp.name.c_str(), 0);
  }

  Status commit(TempFile& temp, const std::string& sha) {
    crash_point("blob-written");
    if (::fsync(temp.fd.get()) != 0) return errno_status("syncing", root_ / "tmp" / temp.name);
    crash_point("blob-synced");
    const std::string shard = sha.substr(0, 2);
    // Where several accounts write (a group's folder, by setgid and umask), each removes its own alone.
    if (::mkdirat(blobs_.get(), shard.c_str(), 01770) == 0) {
      if (::fsync(blobs_.get()) != 0) return errno_status("syncing", root_ / "blobs");
    } else if (errno != EEXIST) {
      return errno_status("creating folder", root_ / "blobs" / shard);
    }
    const Fd folder(::openat(blobs_.get(), shard.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.valid()) return errno_status("opening", root_ / "blobs" / shard);
    struct stat written {};
    if (::fstat(temp.fd.get(), &written) != 0) return errno_status("looking at", root_ / "tmp" / temp.name);
    const Status renamed = rename_at(temp_.get(), temp.name.c_str(), folder.get(), sha.c_str(), written);
    // The same bytes of somebody else's, put there after ours while the server's answer was lost, are as
    // good.
    const bool there = renamed.ok() || TRY(holds_intact(sha, static_cast<uint64_t>(written.st_size)));
    if (!there) return renamed.within((root_ / "blobs" / shard).string());
    crash_point("blob-renamed");
    if (::fsync(folder.get()) != 0) return errno_status("syncing", root_ / "blobs" / shard);
    return ok_status();
  }

  Result<std::string> finish(Status status, TempFile& temp, const std::string& sha) {
    if (status.ok()) return sha;
    discard(temp);
    return full_disk_hint(std::move(status), root_);
  }

  fs::path root_;
  Fd blobs_;
  Fd temp_;
};

Result<Fd> open_sub_folder(const fs::path& root, const char* name) {
  const fs::path folder = root / name;
  if (::mkdir(folder.c_str(), 0770) != 0 && errno != EEXIST) return errno_status("creating folder", folder);
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ELOOP || errno == ENOTDIR)
      return permission_denied(
          fmt::format("{} is a symbolic link or a file; the artifact store needs a folder of "
                      "its own there",
                      folder.string()));
    return errno_status("opening", folder);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<Store>> open_folder_store(const fs::path& root) {
  if (root.empty()) return invalid_argument("the artifact store needs a folder");
  std::error_code error;
  const fs::path absolute = fs::absolute(root, error).lexically_normal();
  if (error) return invalid_argument(fmt::format("{}: {}", root.string(), error.message()));
  if (fs::exists(absolute, error) && !fs::is_directory(absolute, error))
    return failed_precondition(
        fmt::format("{} is not a folder; the artifact store needs one", absolute.string()));
  TRY_STATUS(make_folders_durably(absolute, 0750));
  Fd blobs = TRY(open_sub_folder(absolute, "blobs"));
  Fd temp = TRY(open_sub_folder(absolute, "tmp"));
  TRY_STATUS(fsync_path(absolute));
  auto store = std::make_unique<FolderStore>(absolute, std::move(blobs), std::move(temp));
  store->remove_stale_temps();
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace rekindle::artifacts
