// Regular members of a tar file, one after the other; for archives from anywhere.
//
// Nothing is ever written or followed. Refused with the member's name: paths that leave their folder, links,
// devices and pipes, names that are no UTF-8, members larger than the caller allows however small the file
// (sparse ones), compressed archives, and a file that was cut short, wherever the cut is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"

namespace rekindle::dataio {

class TarReader {
 public:
  // `name` is what messages call the file.
  static Result<TarReader> open(const std::filesystem::path& file, std::string name);
  TarReader(TarReader&&) noexcept;
  TarReader& operator=(TarReader&&) noexcept;
  ~TarReader();

  Result<bool> next();              // false at the end; folders are passed over
  const std::string& path() const;  // of the member, without a leading "./"
  Result<std::string> read(uint64_t bytes_max);

 private:
  struct Impl;
  explicit TarReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rekindle::dataio
