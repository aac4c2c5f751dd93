#include "drift/compat/nannyml.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "base/check.h"
#include "drift/compat/histogram.h"

namespace rekindle::drift::nannyml {

namespace {

constexpr size_t kLarge = 10'000;  // reference rows from which on bins stand for them
constexpr int64_t kFineBins = 10'000;
constexpr double kNotJudged = std::numeric_limits<double>::quiet_NaN();

std::vector<double> present_sorted(std::span<const double> values) {
  std::vector<double> out;
  for (const double value : values)
    if (!std::isnan(value)) out.push_back(value);
  std::ranges::sort(out);
  return out;
}

double size_of(const std::vector<double>& sorted) {
  return static_cast<double>(sorted.size());
}

std::vector<double> cumulated(std::vector<double> shares) {
  std::partial_sum(shares.begin(), shares.end(), shares.begin());
  return shares;
}

struct Pair {
  std::vector<double> p, q;
};

// Rows outside of the reference's bins are what the shares inside leave over; so is, at times, a rounding.
Pair with_leftover(std::vector<double> reference, std::vector<double> live) {
  const double leftover = 1 - numpy::sum(live);
  if (leftover > 0) {
    reference.push_back(0);
    live.push_back(leftover);
  }
  return {std::move(reference), std::move(live)};
}

double js_distance(const Pair& shares) {
  // There the divergence is brought to base 2 under the root.
  return numpy::jensen_shannon(shares.p, shares.q) / std::sqrt(std::numbers::ln2);
}

double hellinger_distance(const Pair& shares) {
  std::vector<double> squares;
  for (size_t i = 0; i < shares.p.size(); ++i) {
    const double apart = std::sqrt(shares.p[i]) - std::sqrt(shares.q[i]);
    squares.push_back(apart * apart);
  }
  return std::sqrt(numpy::sum(squares)) / std::numbers::sqrt2;
}

// What it costs to bring rows outside of the reference's range to its end, in rows of all live ones: the
// library's sum over the distribution function of those rows and the end itself, which counts as one row
// more.
double carried(std::vector<double> outside, double end, double live_rows) {
  outside.push_back(end);
  std::ranges::sort(outside);
  const double n = size_of(outside);
  double sum = 0;
  for (size_t i = 0; i + 1 < outside.size(); ++i) {
    const double below = static_cast<double>(i + 1) / n;
    sum += (end == outside.back() ? below : 1 - below) * (outside[i + 1] - outside[i]);
  }
  return sum * (n / live_rows);
}

int64_t rows(Counts counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// Shares over the categories that the reference holds.
Pair category_shares(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  CHECK(rows(reference) > 0, "a side without rows has no shares");
  Pair out;
  for (size_t i = 0; i < live.size(); ++i) {
    if (reference[i] == 0) continue;
    out.p.push_back(static_cast<double>(reference[i]) / static_cast<double>(rows(reference)));
    out.q.push_back(static_cast<double>(live[i]) / static_cast<double>(rows(live)));
  }
  return with_leftover(std::move(out.p), std::move(out.q));
}

}  // namespace

Result<Continuous> Continuous::fit(std::span<const double> reference) {
  std::vector<double> sorted = present_sorted(reference);
  if (sorted.empty()) return invalid_argument("a reference without numbers cannot be compared with");
  if (std::isinf(sorted.front()) || std::isinf(sorted.back()))
    return invalid_argument("a reference with infinite values has no bins");
  if (!numpy::has_range(sorted, sorted))
    return invalid_argument("a column's least and greatest value lie further apart than a number says");
  return Continuous(std::move(sorted));
}

Continuous::Continuous(std::vector<double> sorted) : sorted_(std::move(sorted)) {
  const double n = size_of(sorted_);
  edges_ = numpy::doane_edges(sorted_);
  shares_ = numpy::shares(numpy::histogram(sorted_, edges_), n);
  if (sorted_.size() < kLarge) return;
  fine_edges_ = numpy::edges(sorted_.front(), sorted_.back(), kFineBins);
  fine_shares_ = cumulated(numpy::shares(numpy::histogram(sorted_, fine_edges_), n));
  // The same bins unless all values are one.
  transport_edges_ = numpy::edges(sorted_, kFineBins);
  transport_shares_ = cumulated(numpy::shares(numpy::histogram(sorted_, transport_edges_), n));
}

double Continuous::kolmogorov_smirnov(std::span<const double> live) const {
  const std::vector<double> values = present_sorted(live);
  if (values.empty()) return kNotJudged;
  if (fine_edges_.empty()) return ks_distance(sorted_, values);
  const double m = size_of(values);
  const double below =
      static_cast<double>(std::ranges::lower_bound(values, fine_edges_.front()) - values.begin()) / m;
  const std::vector<double> upto = cumulated(numpy::shares(numpy::histogram(values, fine_edges_), m));
  double greatest = 0;
  for (size_t i = 0; i < upto.size(); ++i)
    greatest = std::max(greatest, std::abs(fine_shares_[i] - (below + upto[i])));
  return greatest;
}

double Continuous::wasserstein(std::span<const double> live) const {
  const std::vector<double> values = present_sorted(live);
  if (values.empty()) return kNotJudged;
  if (transport_edges_.empty()) return drift::wasserstein(sorted_, values);
  const double m = size_of(values), low = transport_edges_.front(), high = transport_edges_.back();
  const auto first = std::ranges::lower_bound(values, low), last = std::ranges::upper_bound(values, high);
  std::vector<double> smaller(values.begin(), first), bigger(last, values.end());
  // Both sides count the end of the range as a row of their own, the library's way.
  const double amount_smaller = smaller.empty() ? 0 : (size_of(smaller) + 1) / m;
  const double outside = (smaller.empty() ? 0 : carried(std::move(smaller), low, m)) +
                         (bigger.empty() ? 0 : carried(std::move(bigger), high, m));
  const std::vector<double> upto = cumulated(numpy::shares(numpy::histogram(values, transport_edges_), m));
  const double width = transport_edges_[1] - transport_edges_[0];
  double within = 0;
  for (size_t i = 0; i < upto.size(); ++i)
    within += std::abs(transport_shares_[i] - (upto[i] + amount_smaller)) * width;
  return within + outside;
}

double Continuous::jensen_shannon(std::span<const double> live) const {
  const std::vector<double> values = present_sorted(live);
  if (values.empty()) return kNotJudged;
  return js_distance(
      with_leftover(shares_, numpy::shares(numpy::histogram(values, edges_), size_of(values))));
}

double Continuous::hellinger(std::span<const double> live) const {
  const std::vector<double> values = present_sorted(live);
  if (values.empty()) return kNotJudged;
  return hellinger_distance(
      with_leftover(shares_, numpy::shares(numpy::histogram(values, edges_), size_of(values))));
}

double jensen_shannon(Counts reference, Counts live) {
  return rows(live) == 0 ? kNotJudged : js_distance(category_shares(reference, live));
}

double hellinger(Counts reference, Counts live) {
  return rows(live) == 0 ? kNotJudged : hellinger_distance(category_shares(reference, live));
}

double l_infinity(Counts reference, Counts live) {
  return rows(live) == 0 ? kNotJudged : drift::l_infinity(reference, live);
}

TestResult chi_square(Counts reference, Counts live) {
  return rows(live) == 0 ? TestResult{kNotJudged, kNotJudged} : drift::chi_square(reference, live);
}

}  // namespace rekindle::drift::nannyml
