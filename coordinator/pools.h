// The pools in force: pools.yaml as it was when it was last right. Read at start, and again when it changes;
// an edit that is broken, or that takes away what live attempts stand on, leaves the pools before in force
// and says so. On the core's thread.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "coordinator/options.h"
#include "core/place/cluster.h"
#include "launch/launcher.h"
#include "rekindle/v1/credential.pb.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::coordinator {

class Pools {
 public:
  // `file` need not be there: this host is pool `local` then.
  explicit Pools(fs::path file);

  // At start: a broken file is refused.
  Status load();
  // Whether other pools are in force now. `in_use`: pools that live attempts stand on.
  bool refresh(const std::set<std::string>& in_use);

  const v1::PoolsFile& now() const { return now_; }
  const fs::path& file() const { return file_; }
  bool found() const { return found_; }
  // What is wrong with the file as it is; empty: nothing.
  const std::string& problem() const { return problem_; }

 private:
  Result<v1::PoolsFile> read();
  std::string stamp() const;  // tells one state of the file from another; empty: not there

  fs::path file_;
  v1::PoolsFile now_;
  std::string stamp_;  // of what was read last
  bool found_ = false;
  std::string problem_;
};

// The pools as the scheduler sees them. A cluster with a queue of its own is one node, as large as the pool's
// limits say. `credentials`: by which pools that submit as owners do so.
core::place::Cluster cluster_of(const v1::PoolsFile& pools, const Options& options,
                                const std::vector<v1::Credential>& credentials);
// Closes nodes that do not answer, or have not yet.
void close_silent(core::place::Pool& pool, const std::vector<launch::NodeSight>& sights);

}  // namespace rekindle::coordinator
