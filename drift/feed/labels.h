// Labels that are no labels: turned round, given away by a column, or poisoned by one of those who send them.
//
// Told by how labels go with predictions and columns, slot by slot (v1::LabelSums), of the slots that have
// matured. Genuine change makes a model worse; it does not make it as wrong as it was right, nor one sender
// contradict what the others say of the same hours; it may let one column decide alone, but then the column
// is what it was. Pure.
#pragma once

#include <span>
#include <string>

#include "base/clock.h"
#include "drift/feed/stretch.h"
#include "rekindle/v1/event_store.pb.h"

namespace rekindle::drift {

// Senders told apart in one slot; the rows of others are summed under kOthers.
inline constexpr size_t kLabelSourcesMax = 32;
inline constexpr std::string_view kOthers = "(others)";
// Values of a column that LabelSums keeps of a slot, to know whether the column itself has changed.
inline constexpr size_t kToldValues = 4;

// Whether the breach is a finding of check_labels.
bool found_by_labels(const v1::Breach& breach);

// Pairs of rows with label 1 and 0 in which the score of the former is higher; ties count half. `chance` is
// the variance of `concordant` when scores and labels have nothing to do with each other. Not-a-number scores
// take no part.
struct Concordance {
  double pairs = 0, concordant = 0, chance = 0;
};
Concordance concordance(std::span<const double> scores, std::span<const double> labels);
// The same of a category: its score for a row is the share of 1 among the other rows that have it.
Concordance concordance(std::span<const std::string_view> values, std::span<const double> labels);

// `sums`: by slot, then source, of the slots looked back on; `columns` those of `told`. `open` and `ended`
// are earlier findings of this check.
Findings check_labels(std::span<const v1::LabelSums> sums, std::string_view label,
                      std::span<const FeedColumn> columns, Micros slot, std::span<const v1::Breach> open,
                      std::span<const v1::Breach> ended);

}  // namespace rekindle::drift
