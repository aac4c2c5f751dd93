// What `rekindle watch` remembers from one call to the next: which files were judged, how the newest windows
// came out, and when it last raised an alarm. And the rule over it: enough hits among the newest windows,
// none during the cooldown. Pure but for load() and save().
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli {

struct WatchMemory {
  std::string of;                // what was compared with what: another spec or reference begins anew
  std::set<std::string> judged;  // names of files
  std::vector<bool> hits;        // of the newest windows, oldest first
  int64_t alarm_us = 0;          // event time of the newest alarm; 0: none yet
  std::string owed;              // why a command is still to be run for that alarm; empty: none is

  // Absent: nothing is known yet. data_loss says to remove it.
  static Result<WatchMemory> load(const fs::path& file);
  Status save(const fs::path& file) const;  // durable

  // One judged window that ends at `last_us`. True: this is an alarm, and the hits begin anew. During the
  // cooldown hits are kept: a world that stays moved is told when it is over.
  bool judge(bool hit, int64_t last_us, const v1::Retrain& retrain);
};

}  // namespace rekindle::cli
