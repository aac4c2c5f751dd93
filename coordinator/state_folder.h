// The daemon's state folder: who holds it, where its files lie, its tokens and its address.
//
// Invariant: one daemon per folder, held by an flock that ends with the process however it ends.
#pragma once

#include <filesystem>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::coordinator {

class StateFolder {
 public:
  // Makes the folder (0700) when it is absent and takes its lock. failed_precondition names the process
  // that holds it; a network filesystem is refused by name, and so is what a restore did not finish.
  // `shared`: where runs and environments lie, seen by compute nodes under the same path; empty: here.
  static Result<StateFolder> open(const fs::path& path, const fs::path& shared = {});

  const fs::path& path() const { return path_; }
  fs::path journal() const { return path_ / "journal.db"; }
  fs::path events() const { return path_ / "events.db"; }
  fs::path operator_token() const { return path_ / "token"; }
  fs::path serving_token() const { return path_ / "serving-token"; }
  fs::path tokens() const { return path_ / "tokens.json"; }          // named ones
  fs::path credentials() const { return path_ / "credentials.pb"; }  // of users, in clusters
  fs::path tls() const { return path_ / "tls"; }
  fs::path audit() const { return path_ / "audit.log"; }
  fs::path address() const { return path_ / "address"; }
  fs::path pools() const { return path_ / "pools.yaml"; }
  fs::path restoring() const { return path_ / "restoring"; }  // there until a restore is finished
  fs::path runs() const { return shared_ / "runs"; }
  fs::path run(const std::string& run) const { return runs() / run; }
  fs::path attempt(const std::string& run, uint32_t attempt) const {
    return this->run(run) / std::to_string(attempt);
  }
  fs::path checkpoints(const std::string& run) const { return this->run(run) / "checkpoints"; }
  fs::path environments() const { return shared_ / "environments"; }  // of command jobs, built once

  // "http://127.0.0.1:7700", for the command line on this host.
  Status write_address(const std::string& url) const;
  void remove_address() const;

 private:
  StateFolder(fs::path path, fs::path shared, Fd lock)
      : path_(std::move(path)), shared_(std::move(shared)), lock_(std::move(lock)) {}
  fs::path path_;
  fs::path shared_;
  Fd lock_;
};

}  // namespace rekindle::coordinator
