// Event-time windows of a run: train | validation | holdout, in that order.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "dataio/snapshot.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::dataio {

// Rows before this have their labels, known by `as_of_us`: as_of - lateness - matures.
int64_t labels_known_until(int64_t as_of_us, const v1::Data& data);

// Pure. `spec` is resolved; `data` is the range of event times over the run's snapshots.
//   until   = min(labels_known_until(as_of), last row + 1 us)
//   holdout = [until - gate.holdout, until)
//   train and validation share [from, holdout); validation is its newest train.validation share
//   from    = first row, or rows.last before the as-of time if that is later; data that ends earlier than
//             the as-of time allows is looked at as of the moment when its last label was known, so that a
//             first run on an old import has rows at all
// failed_precondition, with the figures, when nothing is left to train on.
Result<v1::Windows> plan_windows(int64_t as_of_us, const v1::JobSpec& spec, TimeRange data);

}  // namespace rekindle::dataio
