// Left join of a source table with another file: every row is kept, in its order.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "dataio/importing/source.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

// Adds the columns `take` to `left`: the values of the one row of `right` with equal `on` columns and,
// where `hour` is named, with right hour + shift == left hour; missing without such a row. A missing key
// matches nothing. Two rows of `right` with one key are refused, naming both lines.
// Returns how many rows of `left` had a match.
Result<uint64_t> left_join(SourceTable& left, const SourceTable& right, const v1::Join& join);

}  // namespace rekindle::dataio
