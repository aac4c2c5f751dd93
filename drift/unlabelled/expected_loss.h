// What a version is expected to lose while its labels are not known yet, from counts alone: the losses that
// the holdout showed in each bin of the answers, weighed by how often answers fall into the bin now.
//
// The idea of confidence-based performance estimation (cbpe.h) for every kind of label, in memory that does
// not grow with the rows; counts of several nodes add up. BLIND TO CONCEPT DRIFT like it: it sees that
// answers have moved to where the version errs more, and no more.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "rekindle/v1/drift.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::drift {

// `live`: counts over the bins of profile.prediction, of at least `min_rows` rows to be judged. The value is
// the rise of the mean loss over the holdout's, in its unit; the threshold the larger of trigger.rise of the
// holdout's mean loss and of the null quantile: what chance makes of so many rows, normal approximation, with
// trigger.false_alarms. Nothing: the profile says no losses, or other bins.
std::optional<v1::Score> expected_loss(const v1::Profile& profile, std::span<const int64_t> live,
                                       const v1::EstimateTrigger& trigger, int64_t min_rows);

}  // namespace rekindle::drift
