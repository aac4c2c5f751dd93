#include "events/compare.h"

#include <map>
#include <vector>

namespace rekindle::events {
namespace {

// Losses of one version's rows around their mean.
struct Losses {
  int64_t rows = 0;
  double mean = 0;
  double square_sum = 0;
};

Losses losses_of(const std::vector<const LabelledRequest*>& requests, const ErrorTerms& terms, double scale) {
  std::vector<double> values;
  for (const LabelledRequest* request : requests) add_losses(*request, terms.rule, scale, values);
  Losses out;
  for (const double value : values) {
    ++out.rows;
    const double off = value - out.mean;
    out.mean += off / static_cast<double>(out.rows);
    out.square_sum += off * (value - out.mean);
  }
  return out;
}

v1::LossComparison& comparison_of(v1::JudgeState& state, uint64_t version, uint64_t against) {
  for (auto& comparison : *state.mutable_comparisons())
    if (comparison.version() == version && comparison.against() == against) return comparison;
  v1::LossComparison& made = *state.add_comparisons();
  made.set_version(version);
  made.set_against(against);
  return made;
}

}  // namespace

void compare_versions(std::span<const LabelledRequest> requests, const ErrorTerms& terms, int64_t slot_end_us,
                      const std::function<bool(const LabelledRequest&)>& excluded, v1::JudgeState& state) {
  std::map<uint64_t, std::vector<const LabelledRequest*>> by_version;
  for (const LabelledRequest& request : requests)
    if (!excluded(request)) by_version[request.version].push_back(&request);
  for (auto newer = by_version.begin(); newer != by_version.end(); ++newer) {
    for (auto older = by_version.begin(); older != newer; ++older) {
      // Numbers are measured by one version's spread, or the two could not be compared.
      const double scale = terms.rule.regression() ? terms.label_scale(older->first) : 1;
      const Losses a = losses_of(newer->second, terms, scale), b = losses_of(older->second, terms, scale);
      if (a.rows == 0 || b.rows == 0) continue;
      const auto n = static_cast<double>(a.rows), m = static_cast<double>(b.rows);
      const double weight = n * m / (n + m);
      v1::LossComparison& sums = comparison_of(state, newer->first, older->first);
      sums.set_version_rows(sums.version_rows() + a.rows);
      sums.set_against_rows(sums.against_rows() + b.rows);
      sums.set_weight(sums.weight() + weight);
      sums.set_weighted_gain(sums.weighted_gain() + weight * (b.mean - a.mean));
      sums.set_square_sum(sums.square_sum() + a.square_sum + b.square_sum);
      sums.set_degrees(sums.degrees() + a.rows + b.rows - 2);
      sums.set_slots(sums.slots() + 1);
      sums.set_until_us(slot_end_us);
    }
  }
}

}  // namespace rekindle::events
