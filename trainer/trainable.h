// What can be read and yet cannot teach a model anything: refused before the first step, with what to do.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/transforms.h"

namespace rekindle::trainer {

// Feature columns whose encoded values are all equal, by name. One such column among others does no harm (a
// month without rain); it is worth a note.
std::vector<std::string> constant_columns(const dataio::Encoded& rows, const v1::Transforms& transforms);

// failed_precondition when there are fewer rows than ranks, or columns and none of them varies.
Status trainable(const dataio::Encoded& rows, size_t row_count, const v1::Transforms& transforms, int ranks);

}  // namespace rekindle::trainer
