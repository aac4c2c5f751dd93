#include "events/regret.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <vector>

#include "base/stats.h"
#include "dataio/parquet_events.h"
#include "drift/shadow/shadow.h"

namespace rekindle::events {
namespace {

// The bins of one feature for all rows of a request; nothing where it is not of that type.
std::optional<std::vector<uint32_t>> bins_of(const drift::FeatureBins& feature,
                                             const v1::RequestRecord& record) {
  for (const auto& values : record.columns()) {
    if (values.name() != feature.name()) continue;
    dataio::Column column{feature.name(), feature.categorical() ? v1::TEXT : v1::NUMBER};
    if (!dataio::append_values(column, values, record.rows()).ok()) return std::nullopt;
    std::vector<uint32_t> bins;
    for (size_t row = 0; row < record.rows(); ++row) {
      if (column.missing(row))
        bins.push_back(drift::FeatureBins::kMissing);
      else
        bins.push_back(feature.categorical() ? feature.bin(column.text(row))
                                             : feature.bin(column.numbers[row]));
    }
    return bins;
  }
  return std::vector<uint32_t>(record.rows(), drift::FeatureBins::kMissing);
}

// By row, then by feature.
std::optional<std::vector<std::vector<uint32_t>>> rows_of(const std::vector<drift::FeatureBins>& features,
                                                          const v1::RequestRecord& record) {
  std::vector<std::vector<uint32_t>> rows(record.rows(), std::vector<uint32_t>(features.size()));
  for (size_t i = 0; i < features.size(); ++i) {
    const auto bins = bins_of(features[i], record);
    if (!bins) return std::nullopt;
    for (size_t row = 0; row < rows.size(); ++row) rows[row][i] = (*bins)[row];
  }
  return rows;
}

// Sorted: their mean is the same whatever the order of requests.
std::vector<double> labels_of(std::span<const LabelledRequest> requests, const dataio::LabelRule& rule,
                              const std::function<bool(const LabelledRequest&)>& excluded) {
  std::vector<double> labels;
  for (const auto& request : requests) {
    if (excluded(request)) continue;
    for (const double label : request.labels)
      if (!std::isnan(label) && rule.sound(label)) labels.push_back(label);
  }
  std::sort(labels.begin(), labels.end());
  return labels;
}

}  // namespace

Regret::Regret(v1::ShadowState& state, const ErrorTerms& terms, uint64_t champion, const v1::Profile& profile,
               const v1::RegretTrigger& trigger, int64_t window_us)
    : state_(state),
      terms_(terms),
      champion_(champion),
      profile_(profile),
      share_(static_cast<double>(terms.slot_us) / static_cast<double>(window_us)) {
  if (state_.version() != champion) drift::begin_regret(champion, share_, trigger, state_);
}

// Labelled rows in an order that follows from what they say alone: ids are drawn anew in every replay, and
// what is learned first matters.
std::vector<Regret::Row> Regret::ordered(const std::vector<drift::FeatureBins>& features,
                                         std::span<const LabelledRequest> requests,
                                         const std::function<bool(const LabelledRequest&)>& excluded) const {
  std::vector<Row> out;
  for (const auto& request : requests) {
    if (excluded(request)) continue;
    auto rows = rows_of(features, request.record);
    if (!rows || rows->size() != request.labels.size()) continue;
    const size_t width = request.predictions.size() / request.labels.size();
    for (size_t i = 0; i < rows->size(); ++i) {
      const double label = request.labels[i];
      if (std::isnan(label) || !terms_.rule.sound(label)) continue;
      const auto answer = std::span(request.predictions).subspan(i * width, width);
      out.push_back({request.time_us, std::move((*rows)[i]), label,
                     request.version == champion_ ? answer : std::span<const double>()});
    }
  }
  std::sort(out.begin(), out.end(), [](const Row& a, const Row& b) {
    const auto key = [](const Row& row) { return std::tie(row.time_us, row.bins, row.label); };
    if (key(a) != key(b)) return key(a) < key(b);
    return std::ranges::lexicographical_compare(a.answer, b.answer);
  });
  return out;
}

Status Regret::see(int64_t slot_us, std::span<const LabelledRequest> requests,
                   const std::function<bool(const LabelledRequest&)>& excluded) {
  const std::vector<double> labels = labels_of(requests, terms_.rule, excluded);
  if (labels.empty()) return ok_status();
  const bool regression = terms_.rule.regression();
  const double scale = regression ? terms_.label_scale(champion_) : 1;
  if (!(scale > 0)) return ok_status();
  if (state_.weights().empty()) {
    v1::ShadowState fresh = drift::Shadow::begin(profile_, regression, regression ? mean(labels) : 0, scale);
    fresh.set_version(champion_);
    state_ = std::move(fresh);
  }
  drift::Shadow shadow = TRY(drift::Shadow::of(state_, regression));
  drift::SlotLosses lost;
  int64_t compared = 0;
  for (const Row& row : ordered(shadow.features(), requests, excluded)) {
    if (!row.answer.empty()) {
      const double own = shadow.answer(row.bins);
      lost.version += bounded_loss(terms_.rule, row.label, row.answer, scale);
      lost.shadow += bounded_loss(terms_.rule, row.label, {&own, 1}, scale);
      ++compared;
    }
    shadow.learn(row.bins, row.label);
  }
  if (compared == 0) return ok_status();
  state_.set_compared(state_.compared() + compared);
  lost.version /= static_cast<double>(compared);
  lost.shadow /= static_cast<double>(compared);
  drift::add_regret(lost, share_, slot_us, state_);
  return ok_status();
}

}  // namespace rekindle::events
