#include "drift/feed/recode.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/hash.h"

namespace rekindle::drift {

namespace {

constexpr double kRareShare = 0.002;  // a value this rare may be away by chance
constexpr double kMassApart = 0.15;   // between the share of what came and of what went
constexpr double kApart = 0.15;       // between their sorted shares, beside what chance alone makes
constexpr double kChance = 0.25;      // times the root of values per row
// More values than are sampled: sorted shares are then compared at as many places.
constexpr double kApartSampled = 0.1;

void normalise(std::vector<double>& shares) {
  std::sort(shares.begin(), shares.end(), std::greater<>());
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= sum;
}

double variation(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i)
    sum += std::abs((i < a.size() ? a[i] : 0) - (i < b.size() ? b[i] : 0));
  return sum / 2;
}

// Every so manieth of sorted shares.
std::vector<double> thinned(const std::vector<double>& shares, size_t to) {
  std::vector<double> out;
  for (size_t i = 0; i < to; ++i) out.push_back(shares[(2 * i + 1) * shares.size() / (2 * to)]);
  return out;
}

}  // namespace

std::optional<Recode> find_recode(const v1::FeatureProfile& reference, std::span<const SlotHealth> slots,
                                  size_t feature) {
  std::map<uint64_t, int64_t> named;
  LeastHashes strangers(kStrangersMax);
  int64_t present = 0, other = 0;
  for (const SlotHealth& slot : slots) {
    const FeatureHealth& f = slot.features[feature];
    if (f.other == 0) continue;  // such slots do not list their values
    present += f.rows - f.missing;
    other += f.other;
    for (const auto& kept : f.named) named[kept.hash] += kept.rows;
    for (const auto& kept : f.strangers) strangers.add(kept.hash, kept.rows);
  }
  if (other == 0 || strangers.kept().empty()) return std::nullopt;

  const auto rows = static_cast<double>(
      std::accumulate(reference.counts().begin() + 1, reference.counts().end(), int64_t{0}));
  std::vector<double> went, came;
  double mass = 0;
  for (int i = 0; i < reference.values_size(); ++i) {
    const double share = static_cast<double>(reference.counts(i + 2)) / rows;
    if (share < kRareShare || named.contains(stable_hash(reference.values(i)))) continue;
    went.push_back(share);
    mass += share;
  }
  for (const auto& kept : strangers.kept()) came.push_back(static_cast<double>(kept.rows));
  if (went.empty() || std::abs(mass - static_cast<double>(other) / static_cast<double>(present)) > kMassApart)
    return std::nullopt;
  const bool sampled = came.size() == kStrangersMax && went.size() > came.size();
  normalise(went);
  normalise(came);
  if (sampled) {
    went = thinned(went, came.size());
    normalise(went);
  }
  Recode out{static_cast<int>(went.size()), static_cast<int>(came.size()), variation(went, came)};
  const double chance = kChance * std::sqrt(static_cast<double>(came.size()) /
                                            static_cast<double>(std::max<int64_t>(other, 1)));
  if (out.apart > kApart + chance + (sampled ? kApartSampled : 0)) return std::nullopt;
  return out;
}

}  // namespace rekindle::drift
