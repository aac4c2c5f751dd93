// Calibration: do things that were given 30 % happen in three of ten? Pure.
#pragma once

#include <optional>
#include <string>

#include "rekindle/v1/model.pb.h"

namespace rekindle::registry {

// Expected calibration error (Naeini 2015): over bins of probabilities, the mean distance of what was given
// from what happened, weighted by rows. Few rows in a bin stray by chance, so it is never quite zero. Nothing
// without bins, or where they contradict themselves.
std::optional<double> calibration_error(const v1::Reliability& bins);

}  // namespace rekindle::registry
