#include "events/regret.h"

#include <cmath>
#include <optional>
#include <vector>

#include "base/stats.h"
#include "dataio/parquet_events.h"
#include "drift/shadow/shadow.h"

namespace rekindle::events {
namespace {

using Bins = std::vector<uint32_t>;

// The bins of one feature for all rows of a request; nothing where it is not of that type.
std::optional<Bins> bins_of(const drift::FeatureBins& feature, const v1::RequestRecord& record) {
  for (const auto& values : record.columns()) {
    if (values.name() != feature.name()) continue;
    dataio::Column column{feature.name(), feature.categorical() ? v1::TEXT : v1::NUMBER};
    if (!dataio::append_values(column, values, record.rows()).ok()) return std::nullopt;
    Bins bins;
    for (size_t row = 0; row < record.rows(); ++row) {
      if (column.missing(row))
        bins.push_back(drift::FeatureBins::kMissing);
      else
        bins.push_back(feature.categorical() ? feature.bin(column.text(row))
                                             : feature.bin(column.numbers[row]));
    }
    return bins;
  }
  return Bins(record.rows(), drift::FeatureBins::kMissing);
}

// By row, then by feature.
std::optional<std::vector<Bins>> rows_of(const std::vector<drift::FeatureBins>& features,
                                         const v1::RequestRecord& record) {
  std::vector<Bins> rows(record.rows(), Bins(features.size()));
  for (size_t i = 0; i < features.size(); ++i) {
    const std::optional<Bins> bins = bins_of(features[i], record);
    if (!bins) return std::nullopt;
    for (size_t row = 0; row < rows.size(); ++row) rows[row][i] = (*bins)[row];
  }
  return rows;
}

std::vector<double> labels_of(std::span<const LabelledRequest> requests, const dataio::LabelRule& rule) {
  std::vector<double> labels;
  for (const auto& request : requests)
    for (const double label : request.labels)
      if (!std::isnan(label) && rule.sound(label)) labels.push_back(label);
  return labels;
}

}  // namespace

Regret::Regret(v1::ShadowState& state, const ErrorTerms& terms, uint64_t champion, const v1::Profile& profile,
               int64_t window_us)
    : state_(state),
      terms_(terms),
      champion_(champion),
      profile_(profile),
      share_(static_cast<double>(terms.slot_us) / static_cast<double>(window_us)) {
  if (state_.version() != champion) drift::begin_regret(champion, state_);
}

Status Regret::see(int64_t slot_us, std::span<const LabelledRequest> requests,
                   const std::function<bool(const LabelledRequest&)>& excluded) {
  const std::vector<double> labels = labels_of(requests, terms_.rule);
  if (labels.empty()) return ok_status();
  const bool regression = terms_.rule.regression();
  const double scale = regression ? terms_.label_scale(champion_) : 1;
  if (!(scale > 0)) return ok_status();
  if (state_.weights().empty()) {
    v1::ShadowState fresh = drift::Shadow::begin(profile_, regression, regression ? mean(labels) : 0, scale);
    drift::begin_regret(champion_, fresh);
    state_ = std::move(fresh);
  }
  drift::Shadow shadow = TRY(drift::Shadow::of(state_, regression));
  double excess = 0;
  int64_t compared = 0;
  for (const auto& request : requests) {
    if (excluded(request)) continue;
    const auto rows = rows_of(shadow.features(), request.record);
    if (!rows || rows->size() != request.labels.size()) continue;
    const size_t width = request.predictions.size() / request.labels.size();
    for (size_t row = 0; row < rows->size(); ++row) {
      const double label = request.labels[row];
      if (std::isnan(label) || !terms_.rule.sound(label)) continue;
      if (request.version == champion_) {
        const double own = shadow.answer((*rows)[row]);
        excess += bounded_loss(terms_.rule, label, std::span(request.predictions).subspan(row * width, width),
                               scale) -
                  bounded_loss(terms_.rule, label, {&own, 1}, scale);
        ++compared;
      }
      shadow.learn((*rows)[row], label);
    }
  }
  if (compared == 0) return ok_status();
  state_.set_compared(state_.compared() + compared);
  drift::add_regret(excess / static_cast<double>(compared), share_, slot_us, state_);
  return ok_status();
}

}  // namespace rekindle::events
