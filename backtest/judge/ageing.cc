#include "backtest/judge/ageing.h"

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <numeric>

namespace rekindle::backtest {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kBlocksASlice = 8;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Mean differences by slice; a block without labelled rows says nothing.
std::vector<std::vector<double>> groups_of(const Judged& judged, const FitLosses& first,
                                           const FitLosses& later, std::span<const int64_t> slice_ends) {
  std::vector<std::vector<double>> groups;
  const size_t begin = std::max(first.first(), later.first());
  if (begin >= judged.rows()) return groups;
  int64_t from = judged.times_us[begin] - judged.times_us[begin] % kDayUs;
  for (const int64_t end : slice_ends) {
    if (end <= from) continue;
    const int64_t block = std::max(kDayUs, (end - from) / kBlocksASlice / kDayUs * kDayUs);
    std::vector<double> group;
    for (; from + block <= end; from += block) {
      const size_t a = std::max(begin, judged.at(from)), b = judged.at(from + block);
      if (a >= b) continue;
      const Column old = first.between(a, b), fresh = later.between(a, b);
      if (old.rows > 0) group.push_back(old.mean() - fresh.mean());
    }
    from = end;
    if (group.size() > 1) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

double same_difference(const Judged& judged, const FitLosses& first, const FitLosses& later,
                       std::span<const int64_t> slice_ends) {
  const auto groups = groups_of(judged, first, later, slice_ends);
  if (groups.size() < 2) return 1;
  std::vector<double> all;
  for (const auto& group : groups) all.insert(all.end(), group.begin(), group.end());
  const double mean = mean_of(all);
  double between = 0, within = 0;
  for (const auto& group : groups) {
    const double own = mean_of(group);
    between += static_cast<double>(group.size()) * (own - mean) * (own - mean);
    for (const double value : group) within += (value - own) * (value - own);
  }
  const double slices = static_cast<double>(groups.size() - 1);
  const double blocks = static_cast<double>(all.size() - groups.size());
  if (!(within > 0)) return between > 0 ? 0 : 1;
  const boost::math::fisher_f law(slices, blocks);
  return boost::math::cdf(boost::math::complement(law, between / slices / (within / blocks)));
}

double nothing_moves(const Judged& judged, std::span<const FitLosses> fits,
                     std::span<const int64_t> slice_ends) {
  double least = 1;
  for (size_t i = 1; i < fits.size(); ++i)
    least = std::min(least, same_difference(judged, fits[0], fits[i], slice_ends));
  return std::min(1.0, least * static_cast<double>(std::max<size_t>(1, fits.size() - 1)));
}

}  // namespace rekindle::backtest
