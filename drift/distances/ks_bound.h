// Kolmogorov-Smirnov from counts over bins of numbers: exact at the edges, and how much larger it may be
// within.
//
// A table of counts knows both distribution functions at its edges alone. Between two edges they may part by
// what the bin holds, and no more: the bound is certain, not likely.
#pragma once

#include "base/result.h"
#include "drift/distances/counts.h"
#include "rekindle/v1/drift.pb.h"

namespace rekindle::drift {

struct KsFromCounts {
  double distance = 0;  // at the edges: D of the numbers is never less
  double bound =
      0;  // D of the numbers <= distance + bound; bound = the largest share of a bin, of either side
  double greatest =
      0;  // D of the numbers is never more: sharper, as only what both sides hold in a bin counts
  double reference_rows = 0;
  double live_rows = 0;
};

// Counts over adjoining bins in rising order, the same on both sides; each side has rows.
KsFromCounts ks_from_counts(Counts reference, Counts live);

// Of a numeric feature of a profile and live counts in its layout; missing values are no numbers and left
// out. Refuses categories, another layout, and a side without numbers.
Result<KsFromCounts> ks_of_profile(const v1::FeatureProfile& reference, Counts live);

}  // namespace rekindle::drift
