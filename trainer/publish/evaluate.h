// Candidate, champion and the constant answer on the same holdout rows, as sums that the gate can judge.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "dataio/labels.h"
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

// One model's answers, row by row, as the label's kind judges them.
struct Figures {
  std::vector<double> losses;
  int64_t correct = 0;           // of classes
  std::vector<double> absolute;  // of numbers

  // Whether a class was right.
  bool add(const dataio::LabelRule& rule, double label, std::span<const double> answer);
};

// What is compared on the holdout: row-major answers of the candidate and, when there is one, the champion;
// and the constant answer, which the training labels alone give.
struct Answers {
  std::span<const double> candidate;
  std::span<const double> champion;  // empty when there is none
  std::vector<double> constant;
};

// Slices: the whole, then those of the first categorical column with few values. The holdout has its column
// of event time.
v1::Evaluation evaluate(const Window& holdout, const Answers& answers, const v1::Data& data);

// evaluation.parquet: time, label, candidate, champion (missing without one); of several outputs a column
// each, "candidate[UA]".
Result<std::string> evaluation_rows(const Window& holdout, const v1::Data& data, const Answers& answers);

// failed_precondition when a version of label `theirs` cannot be compared by the job's label.
Status check_goes_on(const dataio::LabelRule& job, const dataio::LabelRule& theirs);

// How versions of the plan's job are loaded here: with the environments that are kept, and with packages,
// since the job's own command, or its own library, has run here already.
models::PredictorOptions predictor_options(const v1::Plan& plan);

// Status of the worst rank, with its message; all ranks call it together.
Status agreed(Collectives& collectives, const Status& mine);

}  // namespace rekindle::trainer
