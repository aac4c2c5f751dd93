#include "dataio/choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"
#include "proto/time.h"

namespace rekindle::dataio {
namespace {

std::vector<double> lots_of(std::span<const int64_t> times_us, uint64_t seed) {
  std::vector<double> lots(times_us.size());
  int64_t same = 0;
  for (size_t i = 0; i < lots.size(); ++i) {
    same = i > 0 && times_us[i] == times_us[i - 1] ? same + 1 : 0;
    const std::array<int64_t, 2> row{times_us[i], same};
    const uint64_t hash = stable_hash({reinterpret_cast<const char*>(row.data()), sizeof(row)}, seed);
    lots[i] = static_cast<double>(hash >> 11) * 0x1.0p-53;
  }
  return lots;
}

// Of `candidates` (in order) the `most` of the smallest lots, in order.
void keep_smallest(std::vector<uint32_t>& candidates, size_t most, const std::vector<double>& lots) {
  if (candidates.size() <= most) return;
  // Equal lots are told apart by their place.
  const auto less = [&lots](uint32_t a, uint32_t b) {
    return lots[a] != lots[b] ? lots[a] < lots[b] : a < b;
  };
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(most), candidates.end(),
                   less);
  candidates.resize(most);
  std::sort(candidates.begin(), candidates.end());
}

std::vector<uint32_t> decayed(const v1::Decay& decay, const ChoiceRows& window,
                              const std::vector<double>& lots) {
  const auto half_life = static_cast<double>(from_proto(decay.half_life()).count());
  std::vector<uint32_t> kept;
  for (size_t i = 0; i < lots.size(); ++i) {
    const auto age = static_cast<double>(window.until_us - window.times_us[i]);
    if (lots[i] < std::exp2(-age / half_life)) kept.push_back(static_cast<uint32_t>(i));
  }
  return kept;
}

std::vector<uint32_t> replayed(const v1::Reservoir& reservoir, const ChoiceRows& window,
                               const std::vector<double>& lots) {
  const int64_t recent = window.until_us - from_proto(reservoir.recent()).count();
  const auto newest = static_cast<uint32_t>(
      std::lower_bound(window.times_us.begin(), window.times_us.end(), recent) - window.times_us.begin());
  std::vector<uint32_t> kept(newest);
  std::iota(kept.begin(), kept.end(), 0);
  keep_smallest(kept, reservoir.rows(), lots);
  for (uint32_t i = newest; i < lots.size(); ++i) kept.push_back(i);
  return kept;
}

std::vector<uint32_t> balanced(const ChoiceRows& window, const std::vector<double>& lots) {
  std::map<double, std::vector<uint32_t>> classes;
  for (size_t i = 0; i < lots.size(); ++i) classes[window.labels[i]].push_back(static_cast<uint32_t>(i));
  size_t rarest = lots.size();
  for (const auto& [label, rows] : classes) rarest = std::min(rarest, rows.size());
  std::vector<uint32_t> kept;
  for (auto& [label, rows] : classes) {
    keep_smallest(rows, rarest, lots);
    kept.insert(kept.end(), rows.begin(), rows.end());
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace

std::vector<uint32_t> chosen(const v1::Rows& rows, uint64_t seed, const ChoiceRows& window) {
  CHECK(window.times_us.size() == window.labels.size(), "every row has an event time and a label");
  const std::vector<double> lots = lots_of(window.times_us, seed);
  switch (rows.choice_case()) {
    case v1::Rows::kDecay:
      return decayed(rows.decay(), window, lots);
    case v1::Rows::kReservoir:
      return replayed(rows.reservoir(), window, lots);
    case v1::Rows::kBalanced:
      return balanced(window, lots);
    default: {
      std::vector<uint32_t> all(lots.size());
      std::iota(all.begin(), all.end(), 0);
      return all;
    }
  }
}

}  // namespace rekindle::dataio
