// Many features judged at once: p-values adjusted so that the false alarms of all of them stay within one
// share.
//
// Bonferroni bounds the chance of any false alarm and pays with power; Benjamini-Hochberg bounds the share of
// false ones among the alarms. A p-value is in [0, 1]; an adjusted one is compared with the share that is
// allowed. Values equal scipy 1.17's false_discovery_control.
#pragma once

#include <span>
#include <vector>

namespace rekindle::drift {

enum class Dependence {
  kPositive,  // independent, or large together (features of one feed): Benjamini and Hochberg 1995
  kAny,       // no assumption, ln(features) times as strict: Benjamini and Yekutieli 2001
};

std::vector<double> benjamini_hochberg(std::span<const double> p,
                                       Dependence dependence = Dependence::kPositive);
std::vector<double> bonferroni(std::span<const double> p);

// p-values in which important features need less evidence and others more: p / weight, weights scaled to a
// mean of one and fixed before the p-values are seen; the false share stays what it was (Genovese, Roeder and
// Wasserman 2006). A feature of weight 0 can never fire. Weights are finite and not negative, one above 0.
std::vector<double> weighted(std::span<const double> p, std::span<const double> weights);

}  // namespace rekindle::drift
