// The named tokens of a state folder: STATE/tokens.json, 0600. Secrets are nowhere in it, only their hashes.
// Whoever may write the folder is an admin: so tokens are given and taken without a running daemon, which
// takes notice of the file's changes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace rekindle::net {

struct NamedToken {
  Token token;
  int64_t made_us = 0;
  int64_t expires_us = 0;  // 0: never
};

class TokenFile {
 public:
  explicit TokenFile(std::filesystem::path path) : path_(std::move(path)) {}

  // By name; none when there is no file. data_loss says what is wrong with one that cannot be read.
  Result<std::vector<NamedToken>> read() const;

  // A new token; answers its secret, which cannot be had again. already_exists, invalid_argument (a name that
  // is none) and resource_exhausted change nothing.
  // `expires_us`: when it ceases to be valid; 0: never.
  Result<std::string> add(const std::string& name, Role role, int64_t now_us, int64_t expires_us = 0) const;
  // not_found names those that are there.
  Status revoke(const std::string& name) const;

 private:
  template <typename Change>
  Status change(Change change) const;

  std::filesystem::path path_;
};

}  // namespace rekindle::net
