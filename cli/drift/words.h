// What is known of a model's drift, in words. Pure: a message in, text out.
#pragma once

#include <string>

#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {

// The two windows, the decision with what it went by, each score beside its threshold, and the feed's
// breaches.
std::string drift_text(const std::string& model, const v1::DriftStatusResponse& status);
// A line for each judged slot: its strongest score and what was decided.
std::string judgements_table(const v1::DriftStatusResponse& status);

}  // namespace rekindle::cli
