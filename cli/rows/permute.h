// A dataset without drift: the same rows, their times dealt out anew. For `dataset import --permute-times`.
#pragma once

#include <cstdint>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::cli {

// Snapshots of the same names, times and sizes whose rows were drawn at random from all of them: features
// and labels stay with their row, only the time column stays where it was.
Result<std::vector<v1::DatasetSnapshot>> permute_times(const std::vector<v1::DatasetSnapshot>& snapshots,
                                                       uint64_t seed, artifacts::Store& store);

}  // namespace rekindle::cli
