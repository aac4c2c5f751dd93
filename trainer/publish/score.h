// A score run: versions applied to rows, with their predictions kept as Parquet blobs.
#pragma once

#include "rekindle/v1/attempt.pb.h"
#include "trainer/context.h"

namespace rekindle::trainer {

// One result per item of the plan, in order. Predictions have columns time, id, label and the answers; rows
// without a label are predicted, not judged. `id` is "request id/row" of settled rows, and the row's number
// within the item for imported ones.
Result<std::vector<v1::ScoreResult>> score_items(Context& context);

}  // namespace rekindle::trainer
