// The Pareto front of quality against cost: who is beaten by nobody on both. Pure.
#pragma once

#include <span>
#include <vector>

namespace rekindle::backtest {

struct Offer {
  double cost = 0;
  double loss = 0;
};

// For each offer whether no other costs at most as much and loses at most as much, and one of the two less.
// Equal offers stand together; an offer whose loss is not known is never on the front.
std::vector<bool> on_the_front(std::span<const Offer> offers);

}  // namespace rekindle::backtest
