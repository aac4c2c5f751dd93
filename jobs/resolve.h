// Defaults and single-field rules over any spec message; used by spec.cc alone.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "jobs/problems.h"
#include "jobs/spec.h"

namespace rekindle::jobs {

// Fills `message` in place, in the order of the schema. What is missing or out of bounds goes to
// `problems`, by path. `without`: paths that stay empty where nothing is written.
void fill(google::protobuf::Message& message, std::vector<ResolvedField>& fields, Problems& problems,
          const std::vector<std::string>& without = {});

}  // namespace rekindle::jobs
