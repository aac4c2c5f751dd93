// Limits that the reference sets itself: cut into chunks, judged chunk by chunk, mean and three standard
// deviations.
//
// nannyml's rule for every measure it has. It asks how far chunks of the reference differ among themselves,
// so it answers for chunks of the same size alone: on larger ones it is deaf, on smaller ones it cries.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace rekindle::drift::nannyml {

using Chunk = std::pair<size_t, size_t>;  // first row and the one after the last

// Adjoining chunks of `size` rows (> 0); what is left over makes a smaller one at the end.
std::vector<Chunk> chunks_of(size_t rows, size_t size);
// Ten chunks, and an eleventh where ten do not divide the rows; one by row below ten.
std::vector<Chunk> default_chunks(size_t rows);

struct Limits {
  std::optional<double> lower, upper;
  // Beyond a limit; what is not a number never is.
  bool alert(double value) const { return (lower && value < *lower) || (upper && value > *upper); }
};

// What a measure can take at all; limits beyond are cut to it.
struct Range {
  std::optional<double> least, greatest;
};

// Values that are not numbers (chunks that could not be judged) are left out; at least one must be a number.
Limits limits_of(std::span<const double> reference_chunks, const Range& range);

}  // namespace rekindle::drift::nannyml
