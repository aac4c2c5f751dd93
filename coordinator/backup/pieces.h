// A file read, hashed and perhaps copied a piece at a time, so that whoever does it may say how far it is,
// and stop, in between.
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "base/hash.h"

namespace rekindle::coordinator {

class FilePieces {
 public:
  // From the disk where that can be had, not from memory: for looking at what was written.
  static Result<FilePieces> reading(const fs::path& from);
  // `to` is made and must not be there. Each piece is synced, so that no large one holds up who syncs beside
  // it. At most the first `bytes_most` of it.
  static Result<FilePieces> copying(const fs::path& from, const fs::path& to, mode_t mode,
                                    uint64_t bytes_most = UINT64_MAX);

  Result<bool> next();  // true: there is more
  uint64_t bytes() const { return bytes_; }
  std::string sha256() { return hash_->finish_hex(); }  // once, at the end

 private:
  FilePieces(fs::path from, Fd in) : from_(std::move(from)), in_(std::move(in)) {}
  fs::path from_, to_;
  Fd in_, out_;
  uint64_t bytes_ = 0, bytes_most_ = UINT64_MAX;
  std::unique_ptr<Sha256> hash_ = std::make_unique<Sha256>();
};

}  // namespace rekindle::coordinator
