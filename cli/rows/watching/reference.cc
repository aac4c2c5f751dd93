#include "cli/rows/watching/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"

namespace rekindle::cli {
namespace {

v1::FeatureProfile categories_of(const dataio::Column& column) {
  drift::CategoryTally tally;
  tally.add(column.words, column.codes);
  return tally.profile(column.name);
}

}  // namespace

void WindowCounts::add(const WindowCounts& more) {
  if (more.rows == 0) return;
  for (size_t f = 0; f < features.size(); ++f)
    for (size_t bin = 0; bin < features[f].size(); ++bin) features[f][bin] += more.features[f][bin];
  first_us = rows == 0 ? more.first_us : std::min(first_us, more.first_us);
  last_us = rows == 0 ? more.last_us : std::max(last_us, more.last_us);
  rows += more.rows;
}

Result<Reference> Reference::make(const v1::Data& data, const dataio::Table& rows) {
  if (rows.rows() == 0) return invalid_argument("the reference has no rows");
  Reference out;
  out.time_ = data.time();
  out.rows_ = static_cast<int64_t>(rows.rows());
  for (const std::string& name : data.numeric()) {
    const dataio::Column* column = TRY(rows.get(name, v1::NUMBER));
    out.profiles_.push_back(drift::numeric_profile(name, column->numbers));
  }
  for (const std::string& name : data.categorical())
    out.profiles_.push_back(categories_of(*TRY(rows.get(name, v1::TEXT))));
  if (out.profiles_.empty())
    return invalid_argument("the spec has neither numeric nor categorical columns: nothing to watch");
  for (const v1::FeatureProfile& profile : out.profiles_)
    out.bins_.push_back(TRY(drift::FeatureBins::make(profile)));
  return out;
}

std::string Reference::sha256() const {
  Sha256 hash;
  for (const v1::FeatureProfile& profile : profiles_) hash.update(profile.SerializeAsString());
  return hash.finish_hex();
}

WindowCounts Reference::empty() const {
  WindowCounts out;
  for (const drift::FeatureBins& bins : bins_) out.features.emplace_back(bins.size(), 0);
  return out;
}

Result<WindowCounts> Reference::count(const dataio::Table& rows) const {
  WindowCounts out = empty();
  const dataio::Column* times = TRY(rows.get(time_, v1::TIMESTAMP));
  for (const int64_t time : times->times) {
    if (time == dataio::kMissingTime) continue;
    out.first_us = out.first_us == 0 ? time : std::min(out.first_us, time);
    out.last_us = std::max(out.last_us, time);
  }
  out.rows = static_cast<int64_t>(rows.rows());
  for (size_t f = 0; f < bins_.size(); ++f) {
    const drift::FeatureBins& bins = bins_[f];
    const v1::ColumnType type = bins.categorical() ? v1::TEXT : v1::NUMBER;
    const dataio::Column* column = TRY(rows.get(bins.name(), type));
    for (size_t row = 0; row < rows.rows(); ++row) {
      const uint32_t bin = column->missing(row) ? drift::FeatureBins::kMissing
                           : bins.categorical() ? bins.bin(column->text(row))
                                                : bins.bin(column->numbers[row]);
      ++out.features[f][bin];
    }
  }
  return out;
}

std::vector<v1::Score> Reference::scores(const WindowCounts& window, const v1::DriftTrigger& trigger,
                                         int64_t min_rows) const {
  std::vector<drift::FeatureWindow> features;
  for (size_t f = 0; f < profiles_.size(); ++f) features.push_back({&profiles_[f], window.features[f]});
  return drift::psi_scores(features, trigger, min_rows);
}

}  // namespace rekindle::cli
