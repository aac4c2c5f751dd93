// Equal-width histograms as numpy 2 makes them: what the compared libraries' distances are defined over.
//
// The edges are computed with numpy's own operations in numpy's order, since a value that lies on an edge
// would fall on its other side after the least rounding. Sums are numpy's too: where two distributions are
// alike, what is left of a distance is the rounding of its sum.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "drift/distances/samples.h"

namespace rekindle::drift::numpy {

// Values that are numbers, in rising order: NaN and infinities are left out.
std::vector<double> finite_sorted(std::span<const double> values);

// Whether bins can be laid over both: the distance between the least and the greatest value is a number.
bool has_range(Sorted a, Sorted b);

double sum(std::span<const double> values);     // pairwise, in numpy's blocks
double mean(std::span<const double> values);    // of at least one
double spread(std::span<const double> values);  // standard deviation, ddof 0

// `bins` bins between the least and the greatest value; half a unit to both sides of a single value.
// The sample is not empty, here and below.
std::vector<double> edges(Sorted sample, int64_t bins);
std::vector<double> edges(double low, double high, int64_t bins);  // bins + 1 numbers; low == high: all alike

// By name of the rule for the number of bins. All are equal in width from the least to the greatest value.
std::vector<double> sturges_edges(Sorted sample);
std::vector<double> doane_edges(Sorted sample);
// Narrower one of Freedman and Diaconis' bins and Sturges': "auto" up to numpy 2.1.
// Refuses more than a million bins: a few values far out among many that are close.
Result<std::vector<double>> auto_edges(Sorted sample);

// Values per bin [edge, next edge), the last one with its upper edge; values outside are not counted.
std::vector<int64_t> histogram(Sorted sample, std::span<const double> edges);
// The same, each divided by `rows`.
std::vector<double> shares(std::span<const int64_t> counts, double rows);

// x ln(x / y), 0 where x is 0, infinite where y alone is: scipy's rel_entr.
double relative_entropy(double x, double y);
// Root of the divergence, in nats, of two measures that are scaled to one first; not a number where one has
// nothing to scale: scipy's jensenshannon.
double jensen_shannon(std::span<const double> p, std::span<const double> q);

}  // namespace rekindle::drift::numpy
