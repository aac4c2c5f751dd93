// What a serving node would make of a candidate: it is loaded, verified and warmed exactly as by a node, and
// asked some ordinary rows one at a time. The gate asks for it before anybody is served by the version.
#pragma once

#include "rekindle/v1/model.pb.h"
#include "serving/loader.h"

namespace rekindle::serving {

// Of so many answers the latencies are told.
inline constexpr uint32_t kProbeAnswers = 200;

// `model` and `manifest` as a serving plan names them. A version that cannot be served is no failure of the
// probe: it is not `loaded`, and says why.
v1::ServingProbe probe(const Loader& loader, const artifacts::Store& store, const std::string& model,
                       const std::string& manifest);

}  // namespace rekindle::serving
