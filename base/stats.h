// Small statistics on spans, one home for each formula. Pure; labels are 0 or 1, and every caller
// removes unlabelled rows first.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace rekindle {

// Probabilities are clipped to [kProbabilityFloor, 1 - kProbabilityFloor] before their logarithm is taken, so
// that one confident mistake costs about 16 and never infinity.
inline constexpr double kProbabilityFloor = 1e-7;

// -log of the probability that was given to what happened.
double log_loss(double label, double probability);
// Mean over rows; NaN without rows.
double log_loss(std::span<const double> labels, std::span<const double> probabilities);
// Share of (positive, negative) pairs that are ranked rightly, ties counted as half (Mann-Whitney U).
// NaN unless both classes occur.
double auroc(std::span<const double> labels, std::span<const double> scores);
// Each row's part in it: of a positive the share of negatives that it is ranked above, of a negative the
// share of positives that it is ranked below, ties half (DeLong's placement values). The AUROC is their mean
// over either class. NaN unless both classes occur.
std::vector<double> auroc_parts(std::span<const double> labels, std::span<const double> scores);

double sum(std::span<const double> values);   // pairwise: the error grows with log n
double mean(std::span<const double> values);  // NaN without values
// Of the whole population (divided by n), around the mean; NaN without values.
double variance(std::span<const double> values);
// Linear between order statistics (type 7, as R and NumPy); NaN without values. `share` in [0, 1].
double quantile(std::span<const double> values, double share);
double median(std::span<const double> values);
// Ranks from 1, ties averaged, in the order of `values`.
std::vector<double> ranks(std::span<const double> values);

}  // namespace rekindle
