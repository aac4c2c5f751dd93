// SHA-256, the name of every blob, and the stable 64-bit hash used for shares of traffic.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

std::string sha256_hex(std::string_view bytes);                             // 64 lower-case hex digits
Result<std::string> sha256_hex_of_file(const std::filesystem::path& path);  // streamed
bool is_sha256_hex(std::string_view text);

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view bytes);
  std::string finish_hex();  // once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// xxHash64: stable across builds and machines, not cryptographic.
uint64_t stable_hash(std::string_view bytes, uint64_t seed = 0);

}  // namespace rekindle
