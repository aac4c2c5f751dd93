// How well a binary classifier does while its labels are not known yet: confidence-based performance
// estimation, as nannyml 0.13.1 defines it.
//
// Rows are taken to come true as often as their (calibrated) probability says; accuracy, F1 and AUROC follow
// as expectations. BLIND TO CONCEPT DRIFT by construction: when the same inputs begin to come true more or
// less often, nothing here moves. It sees that rows have moved to where the model is unsure, and no more, so
// it stands beside a check by late labels, never in its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "drift/compat/chunks.h"
#include "drift/unlabelled/isotonic.h"

namespace rekindle::drift {

// Not a number where it is not defined (one class only; no rows).
struct Performance {
  double accuracy = 0, f1 = 0, auroc = 0;
};

struct PerformanceLimits {
  nannyml::Limits accuracy, f1, auroc;
};

// One entry per row: probability of class 1, the class that was answered (0 or 1).
struct Answers {
  std::span<const double> probability;
  std::span<const uint8_t> predicted;
};

// The performance that labels show.
Performance realized(const Answers& answers, std::span<const uint8_t> labels);

class Cbpe {
 public:
  // From labelled rows that the model was not trained on, in the order of time; limits are mean and three
  // deviations of the realized performance of chunks of `chunk_rows` (the last may be smaller). Calibrates if
  // that lowers the expected calibration error on rows that were kept out. Refuses probabilities that are no
  // numbers, columns of differing length, no rows.
  static Result<Cbpe> fit(const Answers& answers, std::span<const uint8_t> labels, size_t chunk_rows);

  bool calibrates() const { return calibration_.has_value(); }
  const PerformanceLimits& limits() const { return limits_; }
  // Of rows without labels. A row whose probability is not a number is left out.
  Performance estimate(const Answers& answers) const;

 private:
  std::optional<Isotonic> calibration_;
  PerformanceLimits limits_;
};

// Whether calibrating lowers the error: ten draws of a tenth of the rows are calibrated by the other rows and
// judged together, in ten bins. The draws are nannyml's. Rows of equal probability are binned in their order,
// which is not defined there: a decision on the edge may differ.
bool calibration_helps(std::span<const double> probability, std::span<const uint8_t> labels);

}  // namespace rekindle::drift
