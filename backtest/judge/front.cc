#include "backtest/judge/front.h"

#include <algorithm>
#include <cmath>

namespace rekindle::backtest {

std::vector<bool> on_the_front(std::span<const Offer> offers) {
  std::vector<bool> out;
  for (const Offer& one : offers) {
    const bool beaten = std::any_of(offers.begin(), offers.end(), [&one](const Offer& other) {
      return other.cost <= one.cost && other.loss <= one.loss &&
             (other.cost < one.cost || other.loss < one.loss);
    });
    out.push_back(!std::isnan(one.loss) && !beaten);
  }
  return out;
}

}  // namespace rekindle::backtest
