// What the gate asks of the holdout beside sums: how gains hang together in time, and how well probabilities
// are calibrated. Bounded, however many rows there are.
#pragma once

#include <span>
#include <vector>

#include "trainer/publish/evaluate.h"

namespace rekindle::trainer {

inline constexpr size_t kBlocksMax = 64;
inline constexpr size_t kReliabilityBins = 15;

// Rows in order of event time, cut into at most kBlocksMax blocks of as many rows each (one more in the first
// ones). There is a champion.
std::vector<v1::GainBlock> gain_blocks(const dataio::LabelRule& rule, std::span<const int64_t> times_us,
                                       std::span<const double> labels, const Answers& answers);

// Of one model's answers, row-major; classes alone. Answers that are none are left out.
v1::Reliability reliability(const dataio::LabelRule& rule, std::span<const double> labels,
                            std::span<const double> answers);

}  // namespace rekindle::trainer
