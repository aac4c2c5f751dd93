#include "registry/evidence/reliability.h"

#include <cmath>

namespace rekindle::registry {

std::optional<double> calibration_error(const v1::Reliability& bins) {
  const int size = bins.counts_size();
  if (bins.probability_sums_size() != size || bins.hits_size() != size) return std::nullopt;
  double off = 0;
  int64_t all = 0;
  for (int i = 0; i < size; ++i) {
    const int64_t count = bins.counts(i), hits = bins.hits(i);
    const double given = bins.probability_sums(i);
    // Sums of probabilities may pass the count by a rounding.
    if (hits < 0 || hits > count || !(given >= 0 && given <= static_cast<double>(count) * (1 + 1e-9)))
      return std::nullopt;
    all += count;
    off += std::abs(given - static_cast<double>(hits));
  }
  if (all == 0) return std::nullopt;
  return off / static_cast<double>(all);
}

}  // namespace rekindle::registry
