// Serves one predictor in the Open Inference Protocol on a Unix socket: what rekindle-predict is, and what
// ProcessPredictor asks.
#pragma once

#include <string>

#include "models/predictor.h"

namespace rekindle::models {

struct ServeOptions {
  std::string socket;  // $REKINDLE_SOCKET
  size_t threads = 2;  // that predict, each request on one of them
};

// Until SIGTERM or SIGINT. Refusals: the path is taken or too long.
Status serve_predictor(const Predictor& predictor, const ServeOptions& options);

}  // namespace rekindle::models
