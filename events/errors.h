// How well each version did: ADWIN on the mean clipped loss of each slot's labelled rows.
// Private to this folder. docs/drift.md says why slots and not rows.
#pragma once

#include <functional>

#include "events/model_log.h"

namespace rekindle::events {

// One row's error on a scale of 0 to 1, by a known label; `scale` as in ErrorTerms.
double bounded_loss(const dataio::LabelRule& rule, double label, std::span<const double> answer, double scale);

// How the errors of a job's versions are counted.
struct ErrorTerms {
  dataio::LabelRule rule;
  double delta = 0.002;
  int64_t slot_us = 0;
  int64_t matures_us = 0;
  // Regression: standard deviation of the labels that a version was trained on; 0 where it is not known, and
  // its rows are then not scored.
  std::function<double(uint64_t version)> label_scale;
  std::span<const drift::FeedColumn> columns;  // of the spec
};

// Feeds the detectors with the slots of event time that have matured at `until_us` (end <= until_us -
// matures) and were not fed before, and adds to the state's sums of labels. Rows for which `broken` holds are
// left out of both; those whose labels are `doubted` out of the detectors alone.
struct RowsApart {
  std::function<bool(const LabelledRequest&)> broken, doubted;
};
Status score_matured(Database& db, ModelLog& log, const ErrorTerms& terms, int64_t until_us,
                     const RowsApart& apart);

v1::Score error_score(const v1::DetectorState& state, const ErrorTerms& terms);

}  // namespace rekindle::events
