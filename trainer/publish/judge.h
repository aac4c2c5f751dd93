// What a candidate and the champion do on the holdout, and the candidate's files in the artifact store.
#pragma once

#include "models/predictor.h"
#include "trainer/context.h"
#include "trainer/publish/publish.h"
#include "trainer/rows.h"

namespace rekindle::trainer {

// The whole of a FINISHED outcome that both tell: evaluation, rows and, of rank 0, the manifest. All ranks
// score; rank 0 writes. `files`: all but what comes of the scores.
Result<v1::Outcome> judge_and_publish(Context& context, const RunRows& rows,
                                      const models::Predictor& candidate, VersionFiles files);

}  // namespace rekindle::trainer
