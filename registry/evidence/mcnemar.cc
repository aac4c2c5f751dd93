#include "registry/evidence/mcnemar.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

namespace rekindle::registry {
namespace {

// Least number of the candidate's rows that is significant at `alpha`.
int64_t critical_count(int64_t discordant, double alpha) {
  int64_t low = 0, high = discordant + 1;  // not significant at low, significant at high (or never)
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (mcnemar_p({middle, discordant - middle}) <= alpha ? high : low) = middle;
  }
  return high;
}

}  // namespace

double mcnemar_p(const Discordant& pairs) {
  if (pairs.candidate <= 0) return 1;
  const boost::math::binomial fair(static_cast<double>(pairs.rows()), 0.5);
  return boost::math::cdf(boost::math::complement(fair, static_cast<double>(pairs.candidate - 1)));
}

std::optional<double> mcnemar_detectable(const Discordant& pairs, int64_t rows, double alpha, double power) {
  const int64_t discordant = pairs.rows();
  const int64_t count = critical_count(discordant, alpha);
  if (rows <= 0 || count > discordant) return std::nullopt;
  // P(X >= count) under a share p of the discordant rows is the incomplete beta function of p.
  const double share =
      boost::math::ibeta_inv(static_cast<double>(count), static_cast<double>(discordant - count + 1), power);
  return (2 * share - 1) * static_cast<double>(discordant) / static_cast<double>(rows);
}

}  // namespace rekindle::registry
