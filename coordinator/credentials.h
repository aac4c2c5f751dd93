// Credentials that users stored, by which pools launch their runs in their name: one for each pool and owner,
// in a file of mode 0600 in the state folder.
//
// A token leaves this file for the environment of a command of Slurm's, and for nothing else.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/result.h"
#include "launch/slurm/identity.h"
#include "rekindle/v1/credential.pb.h"

namespace rekindle::coordinator {

// Thread-safe: each call reads the file, and only set and revoke, one at a time, write it.
class Credentials {
 public:
  explicit Credentials(fs::path file) : file_(std::move(file)) {}

  // Without tokens, by pool and owner.
  Result<std::vector<v1::Credential>> list() const;
  // In the place of one that was there.
  Result<v1::Credential> set(const std::string& pool, const std::string& owner, std::string_view token,
                             Time now) const;
  Result<v1::Credential> revoke(const std::string& pool, const std::string& owner) const;
  // failed_precondition, with what to do: there is none, or it has expired.
  Result<launch::slurm::Identity> identity(const std::string& pool, const std::string& owner, Time now) const;

 private:
  Result<v1::StoredCredentials> read() const;
  Result<v1::Credential> change(
      const std::function<Result<v1::Credential>(v1::StoredCredentials& all)>& change) const;

  fs::path file_;
};

}  // namespace rekindle::coordinator
