// Lets the serving program load a candidate and answer by it, in a process of its own, before it may be
// published.
#pragma once

#include <optional>

#include "trainer/context.h"

namespace rekindle::trainer {

// By one rank, once the candidate's files are in the store. Nothing where the serving program could not be
// started here: then nobody knows. One that dies over the candidate, or takes longer than ten minutes, cannot
// serve it.
std::optional<v1::ServingProbe> probe_serving(const Context& context, const std::string& manifest);

}  // namespace rekindle::trainer
