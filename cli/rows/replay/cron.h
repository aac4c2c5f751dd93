// What a sceptic would do instead of watching: the same trainer, as many fits, evenly spaced. Made after the
// replay with runs that publish nothing, each scored on the rows until the next.
#pragma once

#include <cstdint>
#include <string>

#include "artifacts/store.h"
#include "cli/rows/replay/driver.h"
#include "cli/rows/replay/report.h"
#include "cli/rows/replay/session.h"

namespace rekindle::cli::replay {

struct CronRequest {
  uint64_t fits = 0;
  uint64_t first_version = 1;  // serves until the first fit
  int64_t from_us = 0, until_us = 0;
  Micros run_takes{0};  // a fit serves this long after its as-of time, as the loop's do
  std::string dataset;  // rows to score
  v1::Label label;      // of the job
  std::string key;      // of the session: asking again makes no second run
};

// Pooled over the labelled rows of the dataset between from and until.
Result<Figures> run_cron(Session& session, const artifacts::Store& store, const CronRequest& request,
                         const Say& say);

}  // namespace rekindle::cli::replay
