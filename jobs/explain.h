// The schema in words, read from the descriptors: `rekindle explain` and the table of docs/job-spec.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::jobs {

// `path` as in a spec: "train.batch", "data", "" for the whole. Refuses an unknown one with the nearest.
Result<std::string> explain(std::string_view path);

// Every path of the job spec, parents before their fields, for completion.
std::vector<std::string> field_paths();

// docs/job-spec.md wholly.
std::string spec_document();

}  // namespace rekindle::jobs
