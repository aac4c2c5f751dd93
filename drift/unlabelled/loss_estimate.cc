#include "drift/unlabelled/loss_estimate.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// The prediction is a column too: where the model answers much or little, it errs in its own way.
std::vector<double> with_prediction(const Rows& features, std::span<const double> prediction) {
  CHECK(features.size() == prediction.size(), "a prediction for each row");
  std::vector<double> out;
  out.reserve(features.values.size() + prediction.size());
  for (size_t i = 0; i < prediction.size(); ++i) {
    const auto row = features[i];
    out.insert(out.end(), row.begin(), row.end());
    out.push_back(prediction[i]);
  }
  return out;
}

}  // namespace

RegressionLoss realized_loss(std::span<const double> prediction, std::span<const double> label) {
  CHECK(prediction.size() == label.size(), "a label for each prediction");
  if (label.empty()) return {kUndefined, kUndefined};
  double absolute = 0, squared = 0;
  for (size_t i = 0; i < label.size(); ++i) {
    const double off = prediction[i] - label[i];
    absolute += std::abs(off);
    squared += off * off;
  }
  const auto rows = static_cast<double>(label.size());
  return {absolute / rows, std::sqrt(squared / rows)};
}

Result<LossEstimate> LossEstimate::fit(const Rows& features, std::span<const double> prediction,
                                       std::span<const double> label, size_t chunk_rows) {
  if (!features.sound() || features.size() != prediction.size() || label.size() != prediction.size())
    return invalid_argument(
        fmt::format("{} values in rows of {}, {} predictions and {} labels: one of each per row",
                    features.values.size(), features.columns, prediction.size(), label.size()));
  if (chunk_rows == 0) return invalid_argument("a chunk holds a row");
  std::vector<double> absolute, squared;
  for (size_t i = 0; i < label.size(); ++i) {
    absolute.push_back(std::abs(prediction[i] - label[i]));
    squared.push_back(absolute.back() * absolute.back());
  }
  const std::vector<double> values = with_prediction(features, prediction);
  const Rows rows{values, features.columns + 1};
  LossEstimate out;
  out.absolute_ = TRY(LossModel::fit(rows, absolute));
  out.squared_ = TRY(LossModel::fit(rows, squared));
  std::vector<double> mae, rmse;
  for (const auto& [from, until] : nannyml::chunks_of(label.size(), chunk_rows)) {
    const RegressionLoss seen =
        realized_loss(prediction.subspan(from, until - from), label.subspan(from, until - from));
    mae.push_back(seen.mae);
    rmse.push_back(seen.rmse);
  }
  out.mae_limits_ = nannyml::limits_of(mae, {0, std::nullopt});
  out.rmse_limits_ = nannyml::limits_of(rmse, {0, std::nullopt});
  return out;
}

RegressionLoss LossEstimate::estimate(const Rows& features, std::span<const double> prediction) const {
  if (prediction.empty()) return {kUndefined, kUndefined};
  const std::vector<double> values = with_prediction(features, prediction);
  const Rows rows{values, features.columns + 1};
  double absolute = 0, squared = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    absolute += absolute_(rows[i]);
    squared += squared_(rows[i]);
  }
  const auto count = static_cast<double>(rows.size());
  return {absolute / count, std::sqrt(squared / count)};
}

}  // namespace rekindle::drift
