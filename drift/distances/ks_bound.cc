#include "drift/distances/ks_bound.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace rekindle::drift {

KsFromCounts ks_from_counts(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  const auto rows = [](Counts counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  };
  KsFromCounts out;
  out.reference_rows = rows(reference);
  out.live_rows = rows(live);
  CHECK(out.reference_rows > 0 && out.live_rows > 0, "a distance is between two samples");
  int64_t upto_reference = 0, upto_live = 0;
  double f = 0, g = 0;  // at the bin's lower edge
  for (size_t i = 0; i < live.size(); ++i) {
    upto_reference += reference[i];
    upto_live += live[i];
    const double p = static_cast<double>(reference[i]) / out.reference_rows;
    const double q = static_cast<double>(live[i]) / out.live_rows;
    const double next_f = static_cast<double>(upto_reference) / out.reference_rows;
    const double next_g = static_cast<double>(upto_live) / out.live_rows;
    out.distance = std::max(out.distance, std::abs(next_f - next_g));
    out.bound = std::max({out.bound, p, q});
    // Furthest apart when all rows of one side lie below all rows of the other.
    out.greatest = std::max({out.greatest, std::abs(next_f - next_g), next_f - g, next_g - f});
    f = next_f;
    g = next_g;
  }
  return out;
}

Result<KsFromCounts> ks_of_profile(const v1::FeatureProfile& reference, Counts live) {
  if (reference.categorical())
    return invalid_argument(fmt::format("'{}' is categorical: its values have no order", reference.name()));
  if (static_cast<int>(live.size()) != reference.counts_size() || live.size() < 2)
    return invalid_argument(fmt::format("{} counts for the {} bins of '{}'", live.size(),
                                        reference.counts_size(), reference.name()));
  const std::vector<int64_t> before(reference.counts().begin() + 1, reference.counts().end());
  const Counts numbers = live.subspan(1);  // the first bin counts what is missing
  const auto empty = [](Counts counts) {
    return std::ranges::all_of(counts, [](int64_t n) { return n == 0; });
  };
  if (empty(before) || empty(numbers))
    return failed_precondition(fmt::format("'{}' has no numbers on one side", reference.name()));
  return ks_from_counts(before, numbers);
}

}  // namespace rekindle::drift
