// The artifact store: immutable blobs, each named by the SHA-256 of its bytes.
//
// Invariant: a blob that can be seen is whole and durable; what is read is verified against its name.
// Every implementation may be used from many threads, and a folder store by many processes at once.
// The store knows nothing of models or datasets: a manifest (manifest.h) gives blobs their names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle::artifacts {

namespace fs = std::filesystem;

// Blobs larger than this are refused by get(); read them by path().
inline constexpr uint64_t kGetBytesMax = 4ull << 30;

enum class Verify {
  kSize,  // it is there and a regular file
  kHash,  // and its bytes still have the hash: reads all of it
};

class Store {
 public:
  virtual ~Store() = default;

  // Stores the bytes durably and returns their SHA-256. Doing it again is harmless, and heals a blob
  // that was damaged since. resource_exhausted when the disk or quota is full; nothing is left behind.
  virtual Result<std::string> put(std::string_view bytes) = 0;
  virtual Result<std::string> put_file(const fs::path& file) = 0;

  // The verified bytes. not_found; data_loss naming the blob when they no longer have the hash.
  virtual Result<std::string> get(std::string_view sha256, uint64_t limit_bytes = kGetBytesMax) const = 0;
  // A local file that holds the blob and is never to be written. It stays as long as the store does.
  virtual Result<fs::path> path(std::string_view sha256, Verify verify = Verify::kHash) const = 0;

  virtual Result<uint64_t> size(std::string_view sha256) const = 0;  // not_found when it is absent
  virtual Result<bool> exists(std::string_view sha256) const = 0;

  // For messages: "the folder /srv/rekindle/artifacts".
  virtual std::string describe() const = 0;
};

// ROOT/blobs/ab/<sha256>. The folder is made when it is absent (0750); blobs are read-only files.
Result<std::unique_ptr<Store>> open_folder_store(const fs::path& root);

}  // namespace rekindle::artifacts
