// A policy for a budget, tuned on the first third of history and on nothing else: what is told of it
// afterwards is told of the rest. Pure but for what `Maker` does.
#pragma once

#include "backtest/policies/baseline.h"

namespace rekindle::backtest {

struct Suggestion {
  Policy policy;
  int64_t tuned_until_us = 0;  // it has seen no row and no label from there on
  double tuned_loss = 0;       // on what it was tuned on
};

// What is tried, the plainest first: of equals the first is taken.
const std::vector<Policy>& candidates();

// Of the candidates that make at most a third of `budget` (fits over the whole history, version 1 not
// counted) on the first third, and by the calendar at most all of it on the whole, the one that loses least
// on that third.
Result<Suggestion> suggest(const History& history, const Maker& maker, uint64_t budget);

// How a job spec says the same, or comes nearest; empty: it cannot.
std::string spec_words(const Policy& policy);

}  // namespace rekindle::backtest
