// How far a regression is off while its labels are not known yet: its loss is learned from the reference and
// predicted for each live row (nannyml calls it direct loss estimation; the model of the loss is our own).
//
// BLIND TO CONCEPT DRIFT by construction: it knows how far off the model *was* on such rows. When the same
// inputs begin to have other labels, nothing here moves. It sees that rows have moved to where the model is
// bad, and no more, so it stands beside a check by late labels, never in its place.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "drift/compat/chunks.h"
#include "drift/unlabelled/loss_model.h"

namespace rekindle::drift {

// Not numbers where there are no rows.
struct RegressionLoss {
  double mae = 0, rmse = 0;  // in the unit of the label
};

RegressionLoss realized_loss(std::span<const double> prediction, std::span<const double> label);

class LossEstimate {
 public:
  // From labelled rows that the model was not trained on, in the order of time; limits are mean and three
  // deviations of the realized loss of chunks of `chunk_rows`. Features may be missing (NaN); predictions and
  // labels may not.
  static Result<LossEstimate> fit(const Rows& features, std::span<const double> prediction,
                                  std::span<const double> label, size_t chunk_rows);

  RegressionLoss estimate(const Rows& features, std::span<const double> prediction) const;
  const nannyml::Limits& mae_limits() const { return mae_limits_; }
  const nannyml::Limits& rmse_limits() const { return rmse_limits_; }

 private:
  LossModel absolute_, squared_;
  nannyml::Limits mae_limits_, rmse_limits_;
};

}  // namespace rekindle::drift
