#include "drift/compat/chunks.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "drift/compat/histogram.h"

namespace rekindle::drift::nannyml {

namespace {

constexpr size_t kDefaultChunks = 10;
constexpr double kDeviations = 3;

}  // namespace

std::vector<Chunk> chunks_of(size_t rows, size_t size) {
  CHECK(size > 0, "a chunk holds a row");
  std::vector<Chunk> out;
  for (size_t from = 0; from < rows; from += size) out.emplace_back(from, std::min(rows, from + size));
  return out;
}

std::vector<Chunk> default_chunks(size_t rows) {
  return chunks_of(rows, std::max<size_t>(1, rows / kDefaultChunks));
}

Limits limits_of(std::span<const double> reference_chunks, const Range& range) {
  std::vector<double> known;
  for (const double value : reference_chunks)
    if (!std::isnan(value)) known.push_back(value);
  const double middle = numpy::mean(known), away = numpy::spread(known) * kDeviations;
  Limits out{middle - away, middle + away};
  if (range.least && *out.lower <= *range.least) out.lower = range.least;
  if (range.greatest && *out.upper >= *range.greatest) out.upper = range.greatest;
  return out;
}

}  // namespace rekindle::drift::nannyml
