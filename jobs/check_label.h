// Rules of the label and of the metric that fits it; used by check.cc and spec.cc alone.
#pragma once

#include "jobs/problems.h"
#include "jobs/spec.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

inline constexpr int kMultilabelClassesMax =
    50;  // a set of them is one double: events and columns rely on it
inline constexpr int kMulticlassClassesMax = 10'000;

void check_label(const v1::JobSpec& spec, Problems& problems);
void check_metric(const v1::JobSpec& spec, Problems& problems);

// A regression has no log-loss: where the author says no metric it is judged by its squared error.
void settle_metric(v1::JobSpec& spec, std::vector<ResolvedField>& fields);

}  // namespace rekindle::jobs
