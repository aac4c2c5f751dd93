// Columns computed from others, row by row; the closed set of v1::Derive. A missing input gives a missing
// value.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/importing/source.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

// Names of the columns that it is computed from.
std::vector<std::string> derive_inputs(const v1::Derive& derive);
// Adds the column. Errors name the file and line of a value that it cannot be computed from.
Status add_derived(SourceTable& rows, const v1::Derive& derive);

}  // namespace rekindle::dataio
