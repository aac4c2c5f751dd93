#include "registry/evidence/sequential.h"

#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <limits>

namespace rekindle::registry {
namespace {

constexpr double kEndless = std::numeric_limits<double>::infinity();
constexpr double kJeffreys = 0.5;
// Gains that the mixture reckons with, in standard deviations of a row's loss: at a tenth the interval is
// tightest after about a thousand rows of each version.
constexpr double kTypicalGain = 0.1;

// log of the integral of p^(a-1) (1-p)^(b-1) over [share, 1].
double log_upper_beta(double a, double b, double share) {
  return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b) + std::log(boost::math::ibetac(a, b, share));
}

}  // namespace

double failure_evidence(uint64_t answered, uint64_t failed, double share) {
  if (share <= 0) return failed > 0 ? kEndless : 1;
  if (share >= 1 || answered == 0) return 1;
  const auto bad = static_cast<double>(failed), good = static_cast<double>(answered - failed);
  const double log_evidence = log_upper_beta(bad + kJeffreys, good + kJeffreys, share) -
                              log_upper_beta(kJeffreys, kJeffreys, share) - bad * std::log(share) -
                              good * std::log1p(-share);
  return std::exp(log_evidence);
}

AlwaysValid always_valid(const v1::LossComparison& sums, double alpha) {
  if (!(sums.weight() > 0) || sums.degrees() <= 0) return {0, -kEndless, kEndless};
  const double gain = sums.weighted_gain() / sums.weight();
  const double row = sums.square_sum() / static_cast<double>(sums.degrees());
  const double variance = row / sums.weight(), prior = kTypicalGain * kTypicalGain * row;
  if (!(variance > 0)) return {gain, gain, gain};
  const double half = std::sqrt(variance * (variance + prior) / prior *
                                (2 * std::log(1 / alpha) + std::log1p(prior / variance)));
  return {gain, gain - half, gain + half};
}

}  // namespace rekindle::registry
