// Candidate, champion and the constant rate on the same holdout rows, as sums that the gate can judge.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "models/predictor.h"
#include "trainer/collectives/collectives.h"
#include "trainer/rows.h"

namespace rekindle::trainer {

// A slice column has at most this many values; each slice is one of them.
inline constexpr size_t kSlicesMax = 16;

// Predictions of one model over a window, each rank scoring its part. Failures are agreed: all ranks
// return one, or none does.
Result<models::Predictions> score_window(Collectives& collectives, const models::Predictor& predictor,
                                         const dataio::Table& rows);

// `champion` is empty when there is none. Slices: the whole, then those of the first categorical column
// with few values.
v1::Evaluation evaluate(const Window& holdout, std::span<const double> candidate,
                        std::span<const double> champion, double constant_rate, const v1::Data& data);

// evaluation.parquet: time, label, candidate, champion (missing without one).
Result<std::string> evaluation_rows(const Window& holdout, const std::string& time_column,
                                    std::span<const double> candidate, std::span<const double> champion);

// How versions of the plan's job are loaded here: with the environments that are kept, and with packages,
// since the job's own command, or its own library, has run here already.
models::PredictorOptions predictor_options(const v1::Plan& plan);

// Status of the worst rank, with its message; all ranks call it together.
Status agreed(Collectives& collectives, const Status& mine);

}  // namespace rekindle::trainer
