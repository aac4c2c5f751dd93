// The journal's projection tables: runs, versions and alias history, written in the transaction of the
// events they come from, so that they never disagree with them.
#pragma once

#include "coordinator/journal/journal.h"
#include "coordinator/journal/sqlite.h"

namespace rekindle::coordinator {

class Projections {
 public:
  Status prepare(Sqlite& db);
  Status apply(const v1::Event& event);  // inside the caller's transaction

  static Result<uint64_t> queued_at(Sqlite& db, const std::string& run);
  static Result<std::vector<RunRow>> runs(Sqlite& db, uint32_t limit);
  static Result<std::vector<v1::AliasMove>> alias_history(Sqlite& db, const std::string& model);
  static Result<std::vector<v1::Version>> versions(Sqlite& db, const std::string& model);

 private:
  Statement run_queued_, run_ended_, version_published_, version_barred_, alias_moved_;
};

}  // namespace rekindle::coordinator
