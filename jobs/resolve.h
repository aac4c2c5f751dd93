// Defaults and single-field rules over any spec message; used by spec.cc alone.
#pragma once

#include <google/protobuf/message.h>

#include <vector>

#include "jobs/problems.h"
#include "jobs/spec.h"

namespace rekindle::jobs {

// Fills `message` in place, in the order of the schema. What is missing or out of bounds goes to
// `problems`, by path.
void fill(google::protobuf::Message& message, std::vector<ResolvedField>& fields, Problems& problems);

}  // namespace rekindle::jobs
