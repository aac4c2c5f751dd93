// How well each version did: ADWIN on the mean clipped loss of each slot's labelled rows, and of classes on
// the share of wrong answers.
// Private to this folder. docs/drift.md says why slots and not rows.
#pragma once

#include <functional>
#include <vector>

#include "events/model_log.h"

namespace rekindle::events {

class Regret;

// How the errors of a job's versions are counted.
struct ErrorTerms {
  dataio::LabelRule rule;
  double delta = 0.002;
  int64_t slot_us = 0;
  int64_t matures_us = 0;
  // Regression: standard deviation of the labels that a version was trained on; 0 where it is not known, and
  // its rows are then not scored.
  std::function<double(uint64_t version)> label_scale;
  bool compare = false;                        // versions that answered in the same slots are compared too
  std::span<const drift::FeedColumn> columns;  // of the spec
};

// One row's loss, bounded, in nats or in variances of the training labels, `scale` being their deviation; an
// answer that lacks the newest classes gave them no probability.
double bounded_loss(const dataio::LabelRule& rule, double label, std::span<const double> answer,
                    double scale);
// The same as a share of the most that it can be.
double error_share(const dataio::LabelRule& rule, double label, std::span<const double> answer, double scale);

// Adds the bounded loss of each row that has a label, in nats or in units of `scale` squared (which other
// labels than numbers do not heed); none where the scale is not known.
void add_losses(const LabelledRequest& request, const dataio::LabelRule& rule, double scale,
                std::vector<double>& losses);

// Rows for which `broken` holds are left out of all; those whose labels are `doubted` out of all but the sums
// of labels, by which the doubt is seen to last.
struct RowsApart {
  std::function<bool(const LabelledRequest&)> broken, doubted;
};

// Feeds the detectors with the slots of event time that have matured at `until_us` (end <= until_us -
// matures) and were not fed before, and `regret`, where somebody asks for it; adds to the state's sums of
// labels.
Status score_matured(Database& db, ModelLog& log, const ErrorTerms& terms, int64_t until_us,
                     const RowsApart& apart, Regret* regret = nullptr);

// Whether losses have risen; whether answers are wrong more often, which sees sooner what the model was
// unsure of (of classes alone).
v1::Score loss_score(const v1::DetectorState& state, const ErrorTerms& terms);
v1::Score wrong_score(const v1::DetectorState& state, const ErrorTerms& terms);

}  // namespace rekindle::events
