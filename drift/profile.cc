#include "drift/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "drift/ranks.h"
#include "drift/sketch/near_ranks.h"

namespace rekindle::drift {

namespace {

// A value is "far" outside the reference when it lies more than this many reference widths beyond its
// end: no season takes a column there, a changed unit does.
constexpr double kFarWidths = 3;

std::vector<size_t> quantile_ranks(size_t numbers, int bins) {
  std::vector<size_t> out;
  for (int k = 1; k < bins; ++k) out.push_back(numbers * static_cast<size_t>(k) / static_cast<size_t>(bins));
  return out;
}

// Edges at the quantiles of the reference; a value that spans several of them also gets an edge right above
// itself, so that "no rain" and "rain" do not share a bin. `ranks`: Ranks or NearRanks.
std::vector<double> quantile_edges(const auto& ranks, std::span<const size_t> quantiles) {
  std::vector<double> edges;
  double previous = ranks.least();
  for (const size_t rank : quantiles) {
    const double at = ranks.at(rank);
    if (at == previous)
      if (const std::optional<double> above = ranks.above(at)) edges.push_back(*above);
    edges.push_back(at);
    previous = at;
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  // An edge at the least value would leave the first bin empty for ever.
  if (!edges.empty() && edges.front() == ranks.least()) edges.erase(edges.begin());
  return edges;
}

// None is below or above its own range; a bin holds what lies between two edges.
void set_reference(const auto& ranks, std::span<const size_t> quantiles, size_t numbers,
                   v1::FeatureProfile& profile) {
  profile.set_low(ranks.least());
  profile.set_high(ranks.greatest());
  for (const double edge : quantile_edges(ranks, quantiles)) profile.add_edges(edge);
  profile.mutable_counts()->Resize(profile.edges_size() + 4, 0);
  size_t before = 0;
  for (int k = 0; k <= profile.edges_size(); ++k) {
    const size_t until = k == profile.edges_size() ? numbers : ranks.below(profile.edges(k));
    profile.set_counts(2 + k, static_cast<int64_t>(until - before));
    before = until;
  }
}

std::vector<double> finite_of(std::span<const double> values, size_t numbers) {
  std::vector<double> out;
  out.reserve(numbers);
  std::ranges::copy_if(values, std::back_inserter(out), [](double value) { return std::isfinite(value); });
  return out;
}

}  // namespace

v1::FeatureProfile numeric_profile(std::string_view name, std::span<const double> values, int bins) {
  CHECK(bins >= 2, "a numeric profile has at least two bins");
  v1::FeatureProfile profile;
  profile.set_name(std::string(name));
  double last = std::numeric_limits<double>::quiet_NaN();
  size_t numbers = 0;
  int64_t run = 0, longest = 0;
  for (double value : values) {
    if (!std::isfinite(value)) continue;
    ++numbers;
    run = value == last ? run + 1 : 1;
    longest = std::max(longest, run);
    last = value;
  }
  profile.set_longest_run(longest);
  const std::vector<size_t> quantiles = quantile_ranks(numbers, bins);
  if (numbers == 0)
    profile.mutable_counts()->Resize(4, 0);
  else if (numbers <= kSortedMost)
    set_reference(Ranks(finite_of(values, numbers), quantiles), quantiles, numbers, profile);
  else
    set_reference(NearRanks(values, quantiles), quantiles, numbers, profile);
  profile.set_counts(FeatureBins::kMissing, static_cast<int64_t>(values.size() - numbers));
  return profile;
}

void CategoryTally::add(std::string_view value) {
  auto it = counts_.find(value);
  if (it == counts_.end()) it = counts_.emplace(std::string(value), 0).first;
  ++it->second;
  run_ = last_ == &it->first ? run_ + 1 : 1;
  last_ = &it->first;
  longest_run_ = std::max(longest_run_, run_);
}

void CategoryTally::add(std::span<const std::string> words, std::span<const int32_t> codes) {
  for (const int32_t code : codes) {
    if (code < 0)
      add_missing();
    else
      add(words[static_cast<size_t>(code)]);
  }
}

v1::FeatureProfile CategoryTally::profile(std::string_view name, int values_max) const {
  std::vector<std::pair<std::string_view, int64_t>> all(counts_.begin(), counts_.end());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  v1::FeatureProfile profile;
  profile.set_name(std::string(name));
  profile.set_categorical(true);
  profile.set_longest_run(longest_run_);
  profile.add_counts(missing_);
  profile.add_counts(0);
  for (size_t i = 0; i < all.size(); ++i) {
    if (i < static_cast<size_t>(values_max)) {
      profile.add_values(std::string(all[i].first));
      profile.add_counts(all[i].second);
    } else {
      profile.set_counts(1, profile.counts(1) + all[i].second);
    }
  }
  return profile;
}

Result<FeatureBins> FeatureBins::make(const v1::FeatureProfile& profile) {
  FeatureBins bins;
  bins.name_ = profile.name();
  bins.categorical_ = profile.categorical();
  if (profile.categorical()) {
    bins.size_ = 2 + static_cast<uint32_t>(profile.values_size());
    for (int i = 0; i < profile.values_size(); ++i)
      if (!bins.index_.emplace(profile.values(i), 2 + i).second)
        return invalid_argument(
            fmt::format("profile of '{}': value '{}' twice", profile.name(), profile.values(i)));
  } else {
    bins.size_ = 4 + static_cast<uint32_t>(profile.edges_size());
    bins.edges_.assign(profile.edges().begin(), profile.edges().end());
    bins.low_ = profile.low();
    bins.high_ = profile.high();
    bool sound = std::isfinite(bins.low_) && std::isfinite(bins.high_) && bins.low_ <= bins.high_;
    for (size_t i = 0; i < bins.edges_.size(); ++i)
      sound =
          sound && bins.edges_[i] > (i == 0 ? bins.low_ : bins.edges_[i - 1]) && bins.edges_[i] <= bins.high_;
    if (!sound)
      return invalid_argument(
          fmt::format("profile of '{}': edges must rise within low and high", profile.name()));
    // A reference without width says nothing about how far values may go.
    const double width = bins.high_ > bins.low_ ? (bins.high_ - bins.low_) * kFarWidths
                                                : std::numeric_limits<double>::infinity();
    bins.far_low_ = bins.low_ - width;
    bins.far_high_ = bins.high_ + width;
    bins.lay_cells();
  }
  if (static_cast<uint32_t>(profile.counts_size()) != bins.size_)
    return invalid_argument(fmt::format("profile of '{}': {} counts for {} bins", profile.name(),
                                        profile.counts_size(), bins.size_));
  return bins;
}

// A value's cell never falls as the value rises, whatever rounding does: an edge in an earlier cell is below
// it, one in a later cell above it.
void FeatureBins::lay_cells() {
  const double cells = kCells / (high_ - low_);
  cells_per_unit_ = std::isfinite(cells) ? cells : 0;  // no width, or too much of it: all is one cell
  edges_before_.resize(kCells + 1);
  uint32_t edge = 0;
  for (uint32_t cell = 0; cell <= kCells; ++cell) {
    while (edge < edges_.size() && cell_of(edges_[edge]) < cell) ++edge;
    edges_before_[cell] = edge;
  }
}

uint32_t FeatureBins::bin_outside(double value) const {
  if (!std::isfinite(value)) return kMissing;
  return value < low_ ? kBelow : above();
}

uint32_t FeatureBins::bin(std::string_view value) const {
  const auto it = index_.find(value);
  return it == index_.end() ? kOther : it->second;
}

Result<std::shared_ptr<const ProfileBins>> ProfileBins::make(const v1::Profile& profile) {
  auto bins = std::make_shared<ProfileBins>();
  for (const auto& feature : profile.features()) bins->features.push_back(TRY(FeatureBins::make(feature)));
  bins->prediction = TRY(FeatureBins::make(profile.prediction()));
  return std::shared_ptr<const ProfileBins>(std::move(bins));
}

int ProfileBins::find(std::string_view feature) const {
  for (size_t i = 0; i < features.size(); ++i)
    if (features[i].name() == feature) return static_cast<int>(i);
  return -1;
}

}  // namespace rekindle::drift
