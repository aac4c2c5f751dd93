// What makes a job a plain task: a command without data and without a predictor, such as an evaluation, an
// export or a conversion. Its ranks run the command and nothing else; no version comes of it, so that its
// runs end `completed`, and whatever needs a version (gate, serve, retrain) is refused.
#pragma once

#include <string>
#include <vector>

#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

// Of a spec as written or resolved.
inline bool is_task(const v1::JobSpec& spec) {
  return spec.train().command_size() > 0 && !spec.has_data() && !spec.has_predict();
}

// Fields, by path, that a plain task has no use for: they get no defaults, and are refused where they are
// written.
const std::vector<std::string>& unused_by_tasks();

}  // namespace rekindle::jobs
