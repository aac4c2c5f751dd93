#include "artifacts/fake_store.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/ids.h"

namespace rekindle::artifacts {

FakeStore::FakeStore() = default;

FakeStore::~FakeStore() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Result<std::string> FakeStore::put(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (!put_failure_.ok()) return put_failure_;
  std::string sha = sha256_hex(bytes);
  blobs_.insert_or_assign(sha, std::string(bytes));
  return sha;
}

Result<std::string> FakeStore::put_file(const fs::path& file) {
  const std::string bytes = TRY(rekindle::read_file(file, kGetBytesMax));
  return put(bytes);
}

Result<std::string> FakeStore::find(std::string_view sha256) const {
  if (!is_sha256_hex(sha256))
    return invalid_argument(
        fmt::format("'{}' is not the name of a blob: 64 lower-case hex digits", sha256.substr(0, 80)));
  const std::lock_guard lock(mutex_);
  const auto found = blobs_.find(sha256);
  if (found == blobs_.end()) return not_found(fmt::format("no blob {} in {}", sha256, describe()));
  return found->second;
}

Result<std::string> FakeStore::get(std::string_view sha256, uint64_t limit_bytes) const {
  std::string bytes = TRY(find(sha256));
  if (bytes.size() > limit_bytes)
    return invalid_argument(fmt::format("blob {} has {} bytes, more than the {} allowed here", sha256,
                                        bytes.size(), limit_bytes));
  if (sha256_hex(bytes) != sha256)
    return data_loss(fmt::format("blob {} no longer has the hash that it is named by", sha256));
  return bytes;
}

Result<fs::path> FakeStore::path(std::string_view sha256, Verify verify) const {
  const std::string bytes = TRY(find(sha256));
  if (verify == Verify::kHash) TRY(get(sha256));
  const std::lock_guard lock(mutex_);
  if (folder_.empty()) {
    folder_ = fs::temp_directory_path() / ("rekindle-fake-store-" + random_hex(8));
    TRY_STATUS(make_folders_durably(folder_));
  }
  const fs::path file = folder_ / std::string(sha256);
  TRY_STATUS(write_file_durably(file, bytes));
  return file;
}

Result<uint64_t> FakeStore::size(std::string_view sha256) const {
  return TRY(find(sha256)).size();
}

Result<bool> FakeStore::exists(std::string_view sha256) const {
  const Result<std::string> found = find(sha256);
  if (found.ok()) return true;
  if (found.status().code() == Code::kNotFound) return false;
  return found.status();
}

void FakeStore::fail_puts(Status status) {
  const std::lock_guard lock(mutex_);
  put_failure_ = std::move(status);
}

void FakeStore::damage(std::string_view sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = blobs_.find(sha256);
  CHECK(found != blobs_.end(), "only a blob that is there can be damaged");
  if (found->second.empty())
    found->second = "x";
  else
    found->second[found->second.size() / 2] ^= 1;
}

void FakeStore::forget(std::string_view sha256) {
  const std::lock_guard lock(mutex_);
  blobs_.erase(std::string(sha256));
}

size_t FakeStore::blobs() const {
  const std::lock_guard lock(mutex_);
  return blobs_.size();
}

}  // namespace rekindle::artifacts
