// What an evaluation says of one metric, and whether it can be believed. Pure.
#pragma once

#include <string>

#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::registry {

// One metric of candidate, champion and constant answer on the same rows.
struct Figures {
  const char* name;
  double candidate = 0;
  double champion = 0;
  double constant = 0;
  bool more_is_better = false;
  bool paired = false;  // the sums of paired gains per row are this metric's

  double gain_over(double bar) const { return more_is_better ? candidate - bar : bar - candidate; }
};

Figures figures_of(v1::Gate::Metric metric, const v1::SliceSums& sums);

// The slice that is all rows; nullptr: there is none.
const v1::SliceSums* whole_of(const v1::Evaluation& evaluation);

// Whether one class alone occurs: an AUROC is then undefined.
bool one_class(const v1::SliceSums& sums);

// Sums that say of themselves that they are wrong, in words; empty when they are in order. Of the candidate
// and the constant answer; with a champion those of the pair too.
std::string contradiction(const v1::SliceSums& sums);
std::string paired_contradiction(const v1::SliceSums& sums);

}  // namespace rekindle::registry
