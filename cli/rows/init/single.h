// How much of a label one column alone tells: what gives a leak away.
#pragma once

#include <span>

#include "dataio/table.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli {

// Share of the label's uncertainty (entropy of classes, variance of numbers) that the column's value alone
// removes, on rows that it was not learned from: learned on every second row, judged on the others. Numbers
// are cut at their 32-quantiles, a missing value is a value. At most 1; 0 or less: nothing.
// `labels` is NaN where it is not known; classes are whole numbers from 0.
double explained(const dataio::Column& column, std::span<const double> labels, v1::Label::Kind kind);

}  // namespace rekindle::cli
