#include "drift/sketch/near_ranks.h"

#include <algorithm>
#include <cmath>
#include <datasketches/kll_sketch.hpp>
#include <limits>

#include "base/check.h"

namespace rekindle::drift {
namespace {

using Sketch = datasketches::kll_sketch<double>;

// Ranks within 0.35 % of all numbers: a bin that was to hold a twentieth of them holds between 4.5 and 5.5 %.
constexpr uint16_t kItems = 800;
constexpr uint32_t kSeed = 9001;

Sketch sketch_of(std::span<const double> values) {
  // The library's coins are one generator a thread, begun by the clock: begun here, the same rows give the
  // same edges.
  datasketches::random_bit.seed(kSeed);
  Sketch out(kItems);
  for (const double value : values)
    if (std::isfinite(value)) out.update(value);
  return out;
}

void sort_once(std::vector<double>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// The least number above each of `known`, which rise; infinite where there is none.
std::vector<double> next_above(std::span<const double> values, const std::vector<double>& known) {
  std::vector<double> out(known.size(), std::numeric_limits<double>::infinity());
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const auto at = static_cast<size_t>(std::ranges::lower_bound(known, value) - known.begin());
    if (at > 0) out[at - 1] = std::min(out[at - 1], value);
  }
  return out;
}

std::vector<size_t> counts_below(std::span<const double> values, const std::vector<double>& known) {
  std::vector<size_t> out(known.size() + 1);
  for (const double value : values)
    if (std::isfinite(value))
      ++out[static_cast<size_t>(std::ranges::upper_bound(known, value) - known.begin())];
  out.pop_back();
  for (size_t i = 1; i < out.size(); ++i) out[i] += out[i - 1];
  return out;
}

}  // namespace

NearRanks::NearRanks(std::span<const double> values, std::span<const size_t> wanted)
    : wanted_(wanted.begin(), wanted.end()) {
  const Sketch sketch = sketch_of(values);
  CHECK(!sketch.is_empty(), "ranks of at least one value");
  low_ = sketch.get_min_item();
  high_ = sketch.get_max_item();
  const auto numbers = static_cast<double>(sketch.get_n());
  for (const size_t rank : wanted_) {
    CHECK(rank < sketch.get_n(), "a rank is one of the values'");
    // Half-way to the next one: no rounding takes it there.
    near_.push_back(sketch.get_quantile((static_cast<double>(rank) + 0.5) / numbers));
  }
  known_ = near_;
  sort_once(known_);
  for (const double above : next_above(values, known_))
    if (std::isfinite(above)) known_.push_back(above);
  sort_once(known_);
  before_ = counts_below(values, known_);
}

double NearRanks::at(size_t rank) const {
  const auto found = std::ranges::find(wanted_, rank);
  CHECK(found != wanted_.end(), "a wanted rank is asked for");
  return near_[static_cast<size_t>(found - wanted_.begin())];
}

std::optional<double> NearRanks::above(double value) const {
  const auto found = std::ranges::upper_bound(known_, value);
  return found == known_.end() ? std::nullopt : std::optional(*found);
}

size_t NearRanks::below(double value) const {
  return before_[static_cast<size_t>(std::ranges::lower_bound(known_, value) - known_.begin())];
}

double NearRanks::rank_error() {
  return Sketch::get_normalized_rank_error(kItems, false);
}

}  // namespace rekindle::drift
